//! Where the kernel's files are looked for.

use std::path::{Path, PathBuf};

/// The folder under which `proc/`, `sys/` and the mount points stand: `/` on a real machine, a temporary folder in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::system()
    }
}

impl Roots {
    /// The files of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// A tree that stands in for a machine: `dir/proc/stat` is read for `/proc/stat`.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { root: dir.into() }
    }

    /// Whether these are the files of this machine, so that what only a real kernel can answer may be asked.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where the file stands that a real machine has at `path`.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_below_the_root() {
        assert_eq!(Roots::at("/tmp/x").path("/proc/stat"), Path::new("/tmp/x/proc/stat"));
        assert_eq!(Roots::at("/tmp/x").path("proc/stat"), Path::new("/tmp/x/proc/stat"));
        assert_eq!(Roots::system().path("/proc/stat"), Path::new("/proc/stat"));
        assert!(Roots::system().is_system() && !Roots::at("/tmp/x").is_system());
    }
}
