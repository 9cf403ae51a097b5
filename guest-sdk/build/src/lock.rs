//! `guest-sdk/guests.lock`: of which sources each component was made, by which tools, and its digest.

use crate::guest::{Guest, Repository};
use crate::sources;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The file's content, one entry per guest.
#[derive(Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Lock {
    guests: BTreeMap<String, Entry>,
}

/// How a component came to be.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// `rustup`, `debian` or `script`.
    pub(crate) route: String,
    /// What `rustc --version` said; empty for scripts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) rustc: String,
    /// Digest of the sources.
    pub(crate) sources: String,
    /// Digest of the component.
    pub(crate) wasm: String,
}

impl Lock {
    /// Reads the file; an absent one is an empty one.
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        let path = path(repository);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is malformed", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the file without the guests that are gone.
    pub(crate) fn write(&mut self, repository: &Repository) -> Result<()> {
        let present = repository.guests()?;
        self.guests.retain(|path, _| present.iter().any(|guest| guest.path == *path));
        let path = path(repository);
        let mut text = serde_json::to_string_pretty(&self.guests)?;
        text.push('\n');
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// How a guest's component came to be.
    pub(crate) fn get(&self, guest: &Guest) -> Option<&Entry> {
        self.guests.get(&guest.path)
    }

    /// Notes a component just made.
    pub(crate) fn set(
        &mut self,
        repository: &Repository,
        guest: &Guest,
        route: &str,
        rustc: &str,
        wasm: &[u8],
    ) -> Result<()> {
        let entry = Entry {
            route: route.to_owned(),
            rustc: rustc.to_owned(),
            sources: sources::digest(repository, guest)?,
            wasm: sources::sha256(wasm),
        };
        self.guests.insert(guest.path.clone(), entry);
        Ok(())
    }
}

/// Whether a guest's component is that of its sources.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is.
    Fresh,
    /// No word about this guest in the lock file.
    Unlocked,
    /// There is no component.
    Absent,
    /// The sources have changed since.
    SourcesChanged,
    /// The component is not the one that was noted.
    ComponentChanged,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "up to date",
            Self::Unlocked => "not in guest-sdk/guests.lock",
            Self::Absent => "never built",
            Self::SourcesChanged => {
                "its sources (its folder, the SDK or wit/policy.wit) have changed since it was built"
            }
            Self::ComponentChanged => "its .wasm is not the one that guest-sdk/guests.lock notes",
        })
    }
}

impl State {
    /// Compares the files of a guest with the lock file.
    pub(crate) fn of(repository: &Repository, guest: &Guest, lock: &Lock) -> Result<Self> {
        let Some(entry) = lock.get(guest) else { return Ok(Self::Unlocked) };
        let Ok(wasm) = std::fs::read(guest.wasm(repository)) else { return Ok(Self::Absent) };
        if entry.sources != sources::digest(repository, guest)? {
            return Ok(Self::SourcesChanged);
        }
        if entry.wasm != sources::sha256(&wasm) {
            return Ok(Self::ComponentChanged);
        }
        Ok(Self::Fresh)
    }
}

fn path(repository: &Repository) -> PathBuf {
    repository.root.join("guest-sdk/guests.lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::tests::project;

    #[test]
    fn a_component_is_fresh_until_one_side_changes() {
        let (folder, repository) = project(&[("components/a/Cargo.toml", ""), ("components/a/src/lib.rs", "one")]);
        let guest = &repository.guests().unwrap()[0];
        let state = || State::of(&repository, guest, &Lock::read(&repository).unwrap()).unwrap();
        assert_eq!(state(), State::Unlocked);

        let mut lock = Lock::default();
        lock.set(&repository, guest, "rustup", "rustc 1.95.0", b"wasm").unwrap();
        lock.write(&repository).unwrap();
        assert_eq!(state(), State::Absent);
        std::fs::write(guest.wasm(&repository), b"wasm").unwrap();
        assert_eq!(state(), State::Fresh);
        std::fs::write(guest.wasm(&repository), b"other").unwrap();
        assert_eq!(state(), State::ComponentChanged);
        std::fs::write(folder.path().join("components/a/src/lib.rs"), "two").unwrap();
        assert_eq!(state(), State::SourcesChanged);
    }

    #[test]
    fn a_guest_that_is_gone_leaves_the_file() {
        let (folder, repository) = project(&[("components/a/Cargo.toml", "")]);
        let guest = &repository.guests().unwrap()[0];
        let mut lock = Lock::default();
        lock.set(&repository, guest, "rustup", "", b"").unwrap();
        std::fs::remove_dir_all(folder.path().join("components/a")).unwrap();
        lock.write(&repository).unwrap();
        assert!(Lock::read(&repository).unwrap().get(guest).is_none());
    }
}
