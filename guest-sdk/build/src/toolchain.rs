//! By which compiler guests are built.
//!
//! The ordinary route is the Rust at hand with its target wasm32-unknown-unknown, which is added where rustup can add it. Where
//! it cannot, the Rust of Debian's browsers comes with the sources of the standard library (`debian.rs`).

use crate::debian;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What guests are compiled for: nothing of a system beneath, so nothing to link or to deny.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Forces a route: `rustup` or `debian`.
const FORCE: &str = "WCA_GUEST_ROUTE";

/// How long rustup may take to add the target.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a compiler was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The Rust at hand.
    Rustup,
    /// Debian's.
    Debian,
}

impl Route {
    /// Its name in the lock file and in the environment.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        }
    }
}

/// A compiler that makes guests.
pub(crate) struct Toolchain {
    /// How it was come by.
    pub(crate) route: Route,
    /// What it says of itself, in one line.
    pub(crate) rustc: String,
    /// What cargo needs to know of it.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// More arguments for `cargo build`.
    pub(crate) arguments: Vec<&'static str>,
    /// A folder whose path must not be seen in a guest.
    pub(crate) hidden: Option<PathBuf>,
}

impl Toolchain {
    /// The first route that works, or the one that is asked for.
    pub(crate) fn find() -> Result<Self> {
        match std::env::var(FORCE).ok().as_deref() {
            None | Some("" | "auto") => Self::rustup().or_else(|ordinary| {
                debian::toolchain().with_context(|| format!("{ordinary:#}; and Debian's Rust does not serve either"))
            }),
            Some("rustup") => Self::rustup(),
            Some("debian") => debian::toolchain(),
            Some(other) => bail!("{FORCE}={other}: `rustup`, `debian` or `auto` is wanted"),
        }
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.rustc, self.route.name())
    }

    fn rustup() -> Result<Self> {
        let rustc = version(Path::new("rustc"))?;
        if !has_target()? {
            add_target().with_context(|| format!("{rustc} has no target {TARGET}"))?;
            if !has_target()? {
                bail!("{rustc} has no target {TARGET}, although rustup added it: is `rustc` rustup's?");
            }
        }
        Ok(Self { route: Route::Rustup, rustc, environment: Vec::new(), arguments: Vec::new(), hidden: None })
    }
}

/// What `rustc --version` says.
pub(crate) fn version(rustc: &Path) -> Result<String> {
    output(Command::new(rustc).arg("--version"))
}

/// The output of a program that has to succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let what = format!("{command:?}").replace('"', "");
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{what}`"))?;
    if !done.status.success() {
        bail!("`{what}` failed: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// Whether the compiler at hand has the target's standard library; its list of targets names what it could have.
fn has_target() -> Result<bool> {
    let folder = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    let Ok(files) = std::fs::read_dir(folder) else { return Ok(false) };
    Ok(files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd")))
}

fn add_target() -> Result<()> {
    let mut child = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run `rustup`")?;
    let start = Instant::now();
    loop {
        match child.try_wait().context("cannot wait for `rustup`")? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => bail!("`rustup target add {TARGET}` failed"),
            None if start.elapsed() > PATIENCE => {
                // It may have ended meanwhile; both ways it is waited for.
                let _ = child.kill();
                let _ = child.wait();
                bail!("`rustup target add {TARGET}` took over {} s", PATIENCE.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
