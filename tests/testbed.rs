//! Where the test bed is: a folder with a program `run` that boots a virtual machine. Taken into test programs by its path.

use std::path::{Path, PathBuf};

/// The folder of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program of the test bed that `WCA_TESTBED` names; the error says where none is.
pub(crate) fn run() -> Result<PathBuf, String> {
    let named = std::env::var_os("WCA_TESTBED").map_or_else(|| project().join("../shared/testbed"), PathBuf::from);
    let run = named.join("run");
    if run.exists() { Ok(run) } else { Err(format!("{} is not there (WCA_TESTBED names one)", run.display())) }
}
