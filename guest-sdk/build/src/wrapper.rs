//! This program in the place of rustc, so that a crate of the project is the same crate wherever the project lies.
//!
//! Cargo tells rustc crates apart by a hash, `-C metadata`, and puts into it the path of a crate that lies outside the guest's
//! own folder, as the SDK does, and the standard library where it is built from source. The hash is in the names of all
//! symbols, and so in the order of the functions: the same sources would make other bytes in every clone. For crates in these
//! folders, it is made of the path within them instead.

use crate::sources;
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Set for cargo: folders whose crates are the same wherever these lie, as in `PATH`. Its presence says that cargo has called.
pub(crate) const ROOTS: &str = "WCA_GUEST_ROOTS";

/// Becomes rustc. Cargo calls with the compiler's path and its arguments.
pub(crate) fn become_rustc(roots: &OsStr) -> Result<()> {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(package) = std::env::var_os("CARGO_MANIFEST_DIR")
        && let Some(place) = std::env::split_paths(roots).find_map(|root| Path::new(&package).strip_prefix(root).ok())
    {
        let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
        settle(&mut arguments, &format!("{} {version}", place.display()));
    }
    let (rustc, arguments) = arguments.split_first().context("called as a compiler, but without one")?;
    Err(Command::new(rustc).args(arguments).exec()).with_context(|| format!("cannot run {}", rustc.display()))
}

/// Replaces the hash by one of this name and of what is built of the crate.
fn settle(arguments: &mut [OsString], name: &str) {
    let after = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(|value| value.to_string_lossy().into_owned())
    };
    let built = [after("--crate-name"), after("--crate-type"), after("--target")].map(Option::unwrap_or_default);
    let hash = sources::sha256(format!("{name} {}", built.join(" ")).as_bytes());
    for argument in arguments {
        if argument.to_string_lossy().starts_with("metadata=") {
            *argument = format!("metadata={}", &hash[..16]).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_name_alone() {
        let settled = |hash: &str, name: &str| {
            let mut arguments: Vec<OsString> =
                ["rustc", "--crate-name", "a", "-C", hash, "-C", "extra-filename=-1"].map(OsString::from).to_vec();
            settle(&mut arguments, name);
            arguments
        };
        let one = settled("metadata=1", "guest-sdk/rust 0.1.0");
        assert_eq!(one, settled("metadata=2", "guest-sdk/rust 0.1.0"));
        assert_ne!(one, settled("metadata=1", "guest-sdk/rust 0.2.0"));
        assert_eq!(one[6], "extra-filename=-1");
    }
}
