//! Where the test bed is: a folder with a program `run` that boots a virtual machine. Taken into test programs by its path.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// The folder of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program of the test bed that `WCA_TESTBED` names; the error says where none is.
pub(crate) fn run() -> Result<PathBuf, String> {
    let named = std::env::var_os("WCA_TESTBED").map_or_else(|| project().join("../shared/testbed"), PathBuf::from);
    let run = named.join("run");
    if !run.exists() {
        return Err(format!("WCA_TESTBED names one, and {} is not there", run.display()));
    }
    set_up(&named.join("setup"));
    Ok(run)
}

/// Runs the test bed by this command, one machine at a time of this program, and once more where the machine never came up: an
/// emulated one whose clock stands still for too long, on a machine with much else to do, panics while it boots.
///
/// # Panics
/// Panics where it cannot be run at all.
pub(crate) fn boot(command: &mut Command) -> Output {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut run = || command.output().unwrap_or_else(|error| panic!("the test bed does not run: {error}"));
    let output = run();
    if String::from_utf8_lossy(&output.stdout).contains("VM-INIT-UP") { output } else { run() }
}

/// Lets one test at a time install and unpack what the test bed needs, which `run` otherwise does by itself: two that do it
/// beside each other on a fresh machine take each other's files away.
///
/// # Panics
/// Panics where it fails: a test bed that is there must work.
fn set_up(setup: &Path) {
    let path = std::env::temp_dir().join("wca-testbed-setup.lock");
    let lock = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    lock.lock().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if setup.exists() {
        let output = Command::new(setup).output().unwrap_or_else(|error| panic!("{}: {error}", setup.display()));
        assert!(output.status.success(), "{}: {}", setup.display(), String::from_utf8_lossy(&output.stderr));
    }
}
