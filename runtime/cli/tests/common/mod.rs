//! The program as a user runs it: warden, agent and compiler from the real binary.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod server;
#[path = "../../../../tests/skipped.rs"]
mod skipped;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use skipped::{missing, skipped};
use tempfile::TempDir;

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A component of the repository, as an argument.
pub(crate) fn component(path: &str) -> String {
    repository(path).canonicalize().unwrap().display().to_string()
}

/// Copies the program. Another process writes the copy: a child that another test of this one starts meanwhile would hold it
/// open to be written, and it could not be run ("Text file busy").
pub(crate) fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_wca")).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Compiled code is kept once for all tests of a file.
pub(crate) fn cache() -> PathBuf {
    static CACHE: OnceLock<TempDir> = OnceLock::new();
    // A folder of its own in it, which the program makes: others may look into the temporary one.
    CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path().join("cache")
}

/// The program with a run folder of its own.
pub(crate) struct Wca {
    folder: TempDir,
}

impl Wca {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The command with `verb` and arguments, not yet started.
    pub(crate) fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
        command.arg(verb).args(["--run-dir"]).arg(self.folder.path().join("run"));
        if !arguments.contains(&"--no-cache") && !arguments.contains(&"--cache-dir") {
            command.arg("--cache-dir").arg(cache());
        }
        command.args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, verb: &str, arguments: &[&str]) -> Finished {
        Finished::of(&self.command(verb, arguments).output().unwrap())
    }
}

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics unless standard error has the text.
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "expected: {text}\nfound: {self:#?}");
        self
    }

    /// Panics unless it ended with this code.
    pub(crate) fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}
