//! The fallback: Debian's `rustc-web`, unpacked into a folder of the user's, with the standard library built from source.
//!
//! Nothing is installed: packages are downloaded and unpacked, and two small scripts start the programs among them with their
//! own libraries.

use crate::toolchain::{Route, Toolchain, output, version};
use anyhow::{Context, Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Another place for the unpacked compiler.
const CACHE: &str = "WCA_GUEST_CACHE";

/// The compiler, downloaded at first use.
pub(crate) fn toolchain() -> Result<Toolchain> {
    let cache = cache()?;
    let rustc = cache.join("rustc");
    if !rustc.is_file() {
        unpack(&cache).context("Debian's Rust")?;
    }
    Ok(Toolchain {
        route: Route::Debian,
        rustc: version(&rustc)?,
        environment: vec![
            ("RUSTC", rustc.into()),
            // Building the standard library is not stable; the compiler is the one that these sources belong to.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", cache.join("wasm-ld").into()),
        ],
        arguments: vec!["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="],
        hidden: Some(cache),
    })
}

fn cache() -> Result<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given(CACHE)
        .or_else(|| given("XDG_CACHE_HOME").map(|folder| folder.join("wca-guest")))
        .or_else(|| given("HOME").map(|home| home.join(".cache/wca-guest")))
        .with_context(|| format!("no place to unpack a compiler: set {CACHE}"))?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))
}

fn unpack(cache: &Path) -> Result<()> {
    let series = series()?;
    let standard = format!("libstd-rust-web-{series}");
    let llvm = llvm(&standard)?;
    let release = llvm.trim_start_matches("libllvm").to_owned();
    let packages = cache.join("packages");
    std::fs::create_dir_all(&packages).with_context(|| format!("cannot make {}", packages.display()))?;
    let names = ["rustc-web", "rust-web-src", &standard, "libstd-rust-web-dev", &llvm, &format!("lld-{release}")];
    output(Command::new("apt-get").arg("download").args(names).current_dir(&packages))?;
    for package in std::fs::read_dir(&packages).with_context(|| format!("cannot list {}", packages.display()))? {
        let package = package.context("cannot list the packages")?.path();
        output(Command::new("dpkg").arg("-x").arg(&package).arg(cache))?;
    }
    std::fs::remove_dir_all(&packages).with_context(|| format!("cannot remove {}", packages.display()))?;
    script(cache, "wasm-ld", &format!("lib/llvm-{release}/bin/wasm-ld"))?;
    // Last: its presence says that all is there.
    script(cache, "rustc", "bin/rustc")
}

/// `1.96` of the version that apt would take.
fn series() -> Result<String> {
    let policy = output(Command::new("apt-cache").args(["policy", "rust-web-src"]))?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: ")).unwrap_or("(none)");
    let mut numbers = version.split('.');
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if major.parse::<u32>().is_ok() => Ok(format!("{major}.{minor}")),
        _ => bail!("apt knows no package rust-web-src: run `apt-get update` on a Debian 12 or newer"),
    }
}

/// The package with the LLVM that a package needs.
fn llvm(package: &str) -> Result<String> {
    let needs = output(Command::new("apt-cache").args(["depends", package]))?;
    needs
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("libllvm"))
        .map(str::to_owned)
        .with_context(|| format!("apt's {package} needs no libllvm: its packages are cut in another way than expected"))
}

/// A script that starts an unpacked program with the libraries unpacked beside it.
fn script(cache: &Path, name: &str, program: &str) -> Result<()> {
    let path = cache.join(name);
    let usr = cache.join("usr");
    let usr = usr.display().to_string().replace('\'', "'\\''");
    let text = format!("#!/bin/sh\nLD_LIBRARY_PATH='{usr}/lib/x86_64-linux-gnu' exec '{usr}/{program}' \"$@\"\n");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))
}
