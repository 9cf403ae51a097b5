//! Trees that stand in for machines, and what tests on the real one share.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]
#![allow(dead_code, unreachable_pub, reason = "each test file is a program that includes this and uses its part")]

pub mod idle;
#[path = "../../../../tests/skipped.rs"]
mod said;
pub mod tick;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use said::{missing, skipped_in as skipped};
use wca_kernel::{Hierarchies, Notice, Roots, Scratch};

/// A folder with a copy of a captured machine in it.
pub struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// An empty one.
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The one that was captured as `tests/trees/NAME.tree`.
    pub fn captured(name: &str) -> Self {
        let machine = Self::empty();
        machine.overlay(name);
        machine
    }

    /// Puts the files of another capture over this one's.
    pub fn overlay(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees").join(format!("{name}.tree"));
        let text = fs::read_to_string(path).unwrap();
        let (_, files) = text.split_once("\n@ ").unwrap();
        for file in files.split("\n@ ") {
            let (path, content) = file.split_once('\n').unwrap_or((file, ""));
            let newline = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
            self.write(path, &format!("{content}{newline}"));
        }
    }

    pub fn roots(&self) -> Roots {
        Roots::at(self.dir.path())
    }

    pub fn hierarchies(&self) -> Hierarchies {
        Hierarchies::find(&self.roots()).unwrap()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.roots().path(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// A file or folder as a message names it, without the temporary folder.
    pub fn short(&self, path: &Path) -> String {
        format!("/{}", path.strip_prefix(self.dir.path()).unwrap_or(path).display())
    }

    /// Sentences of notices, without the temporary folder.
    pub fn sentences(&self, notices: &[Notice]) -> Vec<String> {
        let root = self.dir.path().display().to_string();
        notices.iter().map(|notice| notice.to_string().replace(&root, "")).collect()
    }
}

/// A cgroup on this machine, or a loud word that there can be none.
pub fn real_cgroup(test: &str, name: &str) -> Option<(Hierarchies, Scratch)> {
    let hierarchies = Hierarchies::find(&Roots::system()).unwrap();
    match Scratch::create(&hierarchies, &unique(name)) {
        Ok(scratch) => Some((hierarchies, scratch)),
        Err(error @ wca_kernel::KernelError::NowhereToMake { .. }) => {
            skipped(test, &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A path that no other test process uses.
pub fn unique(name: &str) -> String {
    format!("wca-test-{}-{name}", std::process::id())
}

/// Path of a cgroup below the mount point, as tasks have it.
pub fn task_path(name: &str) -> String {
    format!("/{}", unique(name))
}

/// A process that sleeps until it is dropped.
pub struct Sleeper(Child);

impl Sleeper {
    pub fn start() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A shell that waits for a line before it does what it is to do.
pub struct Shell(Child);

impl Shell {
    pub fn start(script: &str) -> Self {
        let script = format!("read line; {script}");
        Self(Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap())
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn go(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
