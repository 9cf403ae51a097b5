//! Whether the components are those of the sources.

use crate::guest::{Guest, How, Repository};
use crate::lock::{Entry, Lock, State};
use crate::toolchain::{Toolchain, output};
use crate::{compile, component, say};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;

/// What to run where a component is not that of its sources.
const REMEDY: &str = "cargo run --release --bin wca-guest-build";

/// Checks guests; with a folder, builds them afresh into it and compares.
pub(crate) fn all(repository: &Repository, guests: &[Guest], built: Option<&Path>) -> Result<()> {
    let lock = Lock::read(repository)?;
    let toolchain = match built {
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            Some((folder, Toolchain::find()?))
        }
        None => None,
    };
    let mut wrong = Vec::new();
    for guest in guests {
        let verdict = match (State::of(repository, guest, &lock)?, guest.how, lock.get(guest), &toolchain) {
            (State::Fresh, How::Cargo, Some(entry), Some((folder, toolchain))) => {
                rebuilt(repository, guest, entry, toolchain, folder)
            }
            (State::Fresh, ..) => Ok("up to date".to_owned()),
            (state, How::Cargo, ..) => Err(anyhow::anyhow!("{guest}: {state}; run `{REMEDY} -- {guest}`")),
            (state, How::Script, ..) => Err(anyhow::anyhow!("{guest}: {state}; run {guest}/build.sh")),
        };
        match verdict {
            Ok(text) => say(&format!("{guest}: {text}"))?,
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\n")) }
}

/// Builds a guest anew and compares with what is delivered.
fn rebuilt(
    repository: &Repository,
    guest: &Guest,
    entry: &Entry,
    toolchain: &Toolchain,
    folder: &Path,
) -> Result<String> {
    let anew = compile::guest(repository, guest, toolchain)?;
    let path = folder.join(guest.name()).with_extension("wasm");
    std::fs::write(&path, &anew).with_context(|| format!("{guest}: cannot write {}", path.display()))?;
    let path_delivered = guest.wasm(repository);
    let delivered =
        std::fs::read(&path_delivered).with_context(|| format!("{guest}: cannot read {}", path_delivered.display()))?;
    if anew == delivered {
        return Ok(format!("up to date, and built anew the same ({})", toolchain.name()));
    }
    if entry.route == toolchain.route.name() && entry.rustc == toolchain.rustc {
        bail!(
            "{guest}: built anew by the same compiler ({}), {} differs from {}: the build is not reproducible, or a file outside the guest's sources has changed; run `{REMEDY} -- --force {guest}`",
            toolchain.name(),
            path.display(),
            path_delivered.display()
        );
    }
    let ours = component::interface(&anew).with_context(|| format!("{guest}: {}", path.display()))?;
    let theirs = component::interface(&delivered).with_context(|| format!("{guest}: {}", path_delivered.display()))?;
    if ours != theirs {
        bail!(
            "{guest}: built anew by {}, imports or exports differ from those of {}:\n{}",
            toolchain.name(),
            path_delivered.display(),
            difference(&theirs, &ours)
        );
    }
    let (ours, theirs) = (described(repository, &path)?, described(repository, &path_delivered)?);
    if ours != theirs {
        bail!(
            "{guest}: built anew by {}, it is not described as {} is:\n{}",
            toolchain.name(),
            path_delivered.display(),
            difference(&theirs, &ours)
        );
    }
    Ok(format!(
        "up to date; built anew by {} instead of {} ({}), it exports, imports and is described the same",
        toolchain.name(),
        entry.rustc,
        entry.route
    ))
}

/// What `wca inspect --json` says of a component, but for what differs between any two builds.
fn described(repository: &Repository, component: &Path) -> Result<String> {
    let mut cargo = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // The cargo that runs this program says these of this program. Some build scripts ask for them, and all above those
        // would be built anew.
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
        .args(["run", "--quiet", "--release", "--locked", "--bin", "wca", "--"])
        .args(["inspect", "--json", "--no-cache"])
        .arg(component)
        .current_dir(&repository.root);
    let mut told: Map<String, Value> = serde_json::from_str(&output(&mut cargo)?).context("`wca inspect --json`")?;
    for build in ["size", "sha256"] {
        told.remove(build).with_context(|| format!("`wca inspect --json` tells no {build}"))?;
    }
    Ok(serde_json::to_string_pretty(&told)?)
}

/// Lines that only one of two texts has.
fn difference(old: &str, new: &str) -> String {
    let gone =
        old.lines().filter(|line| !new.lines().any(|other| other == *line)).map(|line| format!("- {}", line.trim()));
    let come =
        new.lines().filter(|line| !old.lines().any(|other| other == *line)).map(|line| format!("+ {}", line.trim()));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}
