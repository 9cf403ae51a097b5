//! Which guests there are.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::path::{Path, PathBuf};

/// Folders whose folders may be guests.
const PLACES: [&str; 4] = ["components", "guest-examples", "guest-sdk/detectors", "tests/guests"];

/// The project's folder.
pub(crate) struct Repository {
    /// Its path, absolute and without links.
    pub(crate) root: PathBuf,
}

/// Who builds a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// This program, by cargo.
    Cargo,
    /// The guest's own `build.sh`.
    Script,
}

/// One guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Its folder, from the project's, with `/`.
    pub(crate) path: String,
    /// Who builds it.
    pub(crate) how: How,
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Guest {
    /// Its folder.
    pub(crate) fn folder(&self, repository: &Repository) -> PathBuf {
        repository.root.join(&self.path)
    }

    /// The name of its folder.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Its component.
    pub(crate) fn wasm(&self, repository: &Repository) -> PathBuf {
        self.folder(repository).join(self.name()).with_extension("wasm")
    }
}

impl Repository {
    /// The project in which a folder lies.
    pub(crate) fn find(from: &Path) -> Result<Self> {
        let from = from.canonicalize().with_context(|| format!("cannot open {}", from.display()))?;
        let root = from
            .ancestors()
            .find(|folder| folder.join("wit/policy.wit").is_file() && folder.join("guest-sdk").is_dir());
        match root {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => bail!(
                "{} lies in no folder with wit/policy.wit and guest-sdk: run this inside the project",
                from.display()
            ),
        }
    }

    /// The guests of these names, or all, sorted.
    pub(crate) fn guests(&self, names: &[String]) -> Result<Vec<Guest>> {
        let mut all = Vec::new();
        for place in PLACES {
            let Ok(folders) = std::fs::read_dir(self.root.join(place)) else { continue };
            for folder in folders {
                let folder = folder.with_context(|| format!("cannot list {place}"))?;
                let how = if folder.path().join("build.sh").is_file() {
                    How::Script
                } else if folder.path().join("Cargo.toml").is_file() {
                    How::Cargo
                } else {
                    continue;
                };
                all.push(Guest { path: format!("{place}/{}", folder.file_name().to_string_lossy()), how });
            }
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        if names.is_empty() {
            return Ok(all);
        }
        let wanted = names.iter().map(|name| name.trim_start_matches("./").trim_end_matches('/'));
        wanted
            .map(|name| {
                let found = all.iter().find(|guest| guest.path == name || guest.name() == name);
                let known = || all.iter().map(|guest| guest.path.as_str()).collect::<Vec<_>>().join(", ");
                found.cloned().with_context(|| format!("no guest `{name}`; there are: {}", known()))
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A project in a temporary folder with these files.
    pub(crate) fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let always = [("wit/policy.wit", "package wca:policy@0.1.0;"), ("guest-sdk/rust/src/lib.rs", "")];
        for (path, text) in always.iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::find(folder.path()).unwrap();
        (folder, repository)
    }

    #[test]
    fn guests_are_found_by_what_their_folder_has() {
        let (_folder, repository) = project(&[
            ("guest-examples/b/Cargo.toml", ""),
            ("components/a/Cargo.toml", ""),
            ("guest-sdk/detectors/c/build.sh", ""),
            ("guest-examples/README.md", ""),
            ("guest-examples/empty/README.md", ""),
        ]);
        let all = repository.guests(&[]).unwrap();
        let paths: Vec<_> = all.iter().map(|guest| guest.path.as_str()).collect();
        assert_eq!(paths, ["components/a", "guest-examples/b", "guest-sdk/detectors/c"]);
        assert_eq!(all[2].how, How::Script);
        assert!(all[1].wasm(&repository).ends_with("guest-examples/b/b.wasm"));
    }

    #[test]
    fn an_unknown_guest_is_told_with_the_known_ones() {
        let (_folder, repository) = project(&[("components/a/Cargo.toml", "")]);
        let error = repository.guests(&["x".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "no guest `x`; there are: components/a");
        assert_eq!(repository.guests(&["components/a/".to_owned()]).unwrap().len(), 1);
    }
}
