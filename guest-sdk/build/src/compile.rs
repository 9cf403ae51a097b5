//! One guest from Rust to its component, the same bytes wherever the project lies.

use crate::component;
use crate::guest::{Guest, Repository};
use crate::toolchain::{TARGET, Toolchain};
use crate::wrapper;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that would change what is built. Whoever set them meant the program for this machine.
const FOREIGN: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_INCREMENTAL",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
];

/// Builds a guest.
pub(crate) fn guest(repository: &Repository, guest: &Guest, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let folder = guest.folder(repository);
    let is_ours = guest.elsewhere.is_none();
    if is_ours && !folder.join("Cargo.lock").is_file() {
        bail!("{guest}: {guest}/Cargo.lock is missing: run `cargo generate-lockfile` in {guest}");
    }
    let target = target_folder(repository, toolchain);
    let mut cargo = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if FOREIGN.contains(&&*text) || text.starts_with("CARGO_PROFILE_") || text.starts_with("CARGO_TARGET_") {
            cargo.env_remove(&name);
        }
    }
    cargo
        .args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"])
        // Whoever builds something of their own may add a dependency to it.
        .args(is_ours.then_some("--locked"))
        .args(&toolchain.arguments)
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(repository, guest, toolchain)?)
        .env("RUSTC_WRAPPER", std::env::current_exe().context("cannot name this program")?)
        .env(wrapper::ROOTS, std::env::join_paths(std::iter::once(&repository.root).chain(&toolchain.hidden))?)
        .envs(toolchain.environment.iter().cloned())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let done = cargo.output().context("cannot run `cargo`")?;
    if !done.status.success() {
        bail!("{guest}: cargo could not build it (see above); in {guest}: `cargo build --release --target {TARGET}`");
    }
    let module = module(&String::from_utf8_lossy(&done.stdout), &folder.join("Cargo.toml")).with_context(|| {
        format!("{guest}: cargo made no WebAssembly module of it: Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`")
    })?;
    let module = std::fs::read(&module).with_context(|| format!("{guest}: cannot read {}", module.display()))?;
    component::make(&module, &[], &folder).with_context(|| format!("{guest}: what cargo built is no policy"))
}

/// One folder per route, and not the one of a `cargo build` by hand: what these make must not meet.
fn target_folder(repository: &Repository, toolchain: &Toolchain) -> PathBuf {
    repository.root.join("target/guests").join(toolchain.route.name())
}

/// No path of this machine may be seen in a guest: panics name their source file.
fn flags(repository: &Repository, guest: &Guest, toolchain: &Toolchain) -> Result<OsString> {
    let mut hidden = vec![(repository.root.clone(), "/wca"), (cargo_home()?, "/cargo")];
    hidden.extend(guest.elsewhere.clone().map(|folder| (folder, "/guest")));
    hidden.extend(toolchain.hidden.clone().map(|folder| (folder, "/rust")));
    // Of two that fit the last counts: the longer, which lies in the shorter.
    hidden.sort_by_key(|(folder, _)| folder.as_os_str().len());
    let flags = hidden.into_iter().map(|(folder, name)| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(folder);
        flag.push(format!("={name}"));
        flag
    });
    Ok(flags.collect::<Vec<_>>().join(std::ffi::OsStr::new("\u{1f}")))
}

fn cargo_home() -> Result<PathBuf> {
    match std::env::var_os("CARGO_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => {
            Ok(PathBuf::from(std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"))
        }
    }
}

/// The module that cargo says it made of the package with this manifest.
fn module(said: &str, manifest: &Path) -> Option<PathBuf> {
    let artifacts = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = artifacts.filter(|artifact| artifact["manifest_path"].as_str().map(Path::new) == Some(manifest));
    ours.flat_map(|artifact| artifact["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .rfind(|file| file.extension().is_some_and(|end| end == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_one_of_this_package() {
        let said = r#"{"reason":"compiler-artifact","manifest_path":"/sdk/Cargo.toml","filenames":["/t/libsdk.rlib"]}
a line of somebody else's
{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","filenames":["/t/libx.rlib","/t/x_y.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(module(said, Path::new("/x/Cargo.toml")), Some("/t/x_y.wasm".into()));
        assert_eq!(module(said, Path::new("/sdk/Cargo.toml")), None);
    }
}
