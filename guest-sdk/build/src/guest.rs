//! Which guests there are.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
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

impl How {
    /// Who builds what lies in a folder; none where it is no guest's.
    fn of(folder: &Path) -> Option<Self> {
        if folder.join("build.sh").is_file() {
            Some(Self::Script)
        } else if folder.join("Cargo.toml").is_file() {
            Some(Self::Cargo)
        } else {
            None
        }
    }
}

/// One guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Its folder, from the project's, with `/`; of one that lies elsewhere, as it was named.
    pub(crate) path: String,
    /// Who builds it.
    pub(crate) how: How,
    /// The folder of a guest that is none of the project's: `guests.lock` says nothing of it.
    pub(crate) elsewhere: Option<PathBuf>,
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Guest {
    /// Its folder.
    pub(crate) fn folder(&self, repository: &Repository) -> PathBuf {
        self.elsewhere.clone().unwrap_or_else(|| repository.root.join(&self.path))
    }

    /// The name of its folder.
    pub(crate) fn name(&self) -> &str {
        let own = self.elsewhere.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
        own.unwrap_or_else(|| self.path.rsplit('/').next().unwrap_or(&self.path))
    }

    /// Its component.
    pub(crate) fn wasm(&self, repository: &Repository) -> PathBuf {
        self.folder(repository).join(self.name()).with_extension("wasm")
    }
}

impl Repository {
    /// The project in which the first of these paths lies that lies in one.
    pub(crate) fn find(from: &[&Path]) -> Result<Self> {
        let holds_a_project =
            |folder: &&Path| folder.join("wit/policy.wit").is_file() && folder.join("guest-sdk").is_dir();
        for path in from {
            let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
            if let Some(root) = path.ancestors().find(holds_a_project) {
                return Ok(Self { root: root.to_owned() });
            }
        }
        let from: Vec<_> = from.iter().map(|path| path.display().to_string()).collect();
        bail!("no folder with wit/policy.wit and guest-sdk above {}: run this inside the project", from.join(" or "))
    }

    /// Folders named on the command line, the project's or others, each by its path or the project's by its name; all of the
    /// project's without any.
    pub(crate) fn named(&self, names: &[String]) -> Result<Vec<Guest>> {
        let all = self.guests()?;
        if names.is_empty() {
            return Ok(all);
        }
        names.iter().map(|name| self.one(name, &all)).collect()
    }

    fn one(&self, name: &str, all: &[Guest]) -> Result<Guest> {
        let folder = Path::new(name).canonicalize().ok();
        if let Some((folder, how)) = folder.and_then(|folder| How::of(&folder).map(|how| (folder, how))) {
            let own = all.iter().find(|guest| guest.folder(self) == folder).cloned();
            return Ok(own.unwrap_or_else(|| Guest { path: name.to_owned(), how, elsewhere: Some(folder) }));
        }
        let plain = name.trim_start_matches("./").trim_end_matches('/');
        let found = all.iter().find(|guest| guest.path == plain || guest.name() == plain);
        let known = || all.iter().map(|guest| guest.path.as_str()).collect::<Vec<_>>().join(", ");
        found.cloned().with_context(|| {
            format!("`{name}` is no folder with a Cargo.toml, and no guest of the project; these are: {}", known())
        })
    }

    /// The project's guests, sorted.
    pub(crate) fn guests(&self) -> Result<Vec<Guest>> {
        let mut all = Vec::new();
        for place in PLACES {
            let Ok(folders) = std::fs::read_dir(self.root.join(place)) else { continue };
            for folder in folders {
                let folder = folder.with_context(|| format!("cannot list {place}"))?;
                let Some(how) = How::of(&folder.path()) else { continue };
                let path = format!("{place}/{}", folder.file_name().to_string_lossy());
                all.push(Guest { path, how, elsewhere: None });
            }
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
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
        let repository = Repository::find(&[folder.path()]).unwrap();
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
        let all = repository.guests().unwrap();
        let paths: Vec<_> = all.iter().map(|guest| guest.path.as_str()).collect();
        assert_eq!(paths, ["components/a", "guest-examples/b", "guest-sdk/detectors/c"]);
        assert_eq!(all[2].how, How::Script);
        assert!(all[1].wasm(&repository).ends_with("guest-examples/b/b.wasm"));
    }

    #[test]
    fn a_guest_is_found_by_name_and_by_path_and_one_elsewhere_by_path() {
        let (folder, repository) = project(&[("components/a/Cargo.toml", "")]);
        let path = folder.path().join("components/a").display().to_string();
        for name in ["a", "components/a/", "./components/a", path.as_str()] {
            let guests = repository.named(&[name.to_owned()]).unwrap();
            assert_eq!(guests, repository.guests().unwrap(), "{name}");
        }
        let other = tempfile::tempdir().unwrap();
        std::fs::create_dir(other.path().join("mine")).unwrap();
        std::fs::write(other.path().join("mine/Cargo.toml"), "").unwrap();
        let mine = other.path().join("mine").canonicalize().unwrap();
        let guest = repository.named(&[format!("{}/", mine.display())]).unwrap().remove(0);
        assert_eq!(guest.elsewhere.as_ref(), Some(&mine));
        assert_eq!(guest.wasm(&repository), mine.join("mine.wasm"));
    }

    #[test]
    fn an_unknown_guest_is_told_with_the_known_ones() {
        let (_folder, repository) = project(&[("components/a/Cargo.toml", "")]);
        let error = repository.named(&["x".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "`x` is no folder with a Cargo.toml, and no guest of the project; these are: components/a");
    }

    #[test]
    fn the_project_is_that_of_the_first_path_in_one() {
        let (folder, _) = project(&[]);
        let other = tempfile::tempdir().unwrap();
        let found = Repository::find(&[other.path(), folder.path()]).unwrap();
        assert_eq!(found.root, folder.path().canonicalize().unwrap());
        let error = Repository::find(&[other.path()]).err().unwrap().to_string();
        assert!(error.ends_with(": run this inside the project"), "{error}");
    }
}
