//! What a warden that has died has left, for an operator who starts no other.

use std::path::{Path, PathBuf};

use wca_control::{Control, ControlError, Settings, held_in};
use wca_kernel::Roots;
use wca_messages::{JournalEntry, RestoredValues};

use crate::changes::{entry, told};
use crate::rundir::{RunDir, RunDirError, default};

/// Name of the journal in its folder.
const JOURNAL: &str = "journal";

/// What became of what was left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftValues {
    /// Values of this boot.
    pub restored: RestoredValues,
    /// Values of an earlier boot, which are gone with it; each with what stood there before.
    pub lost: Vec<String>,
}

/// What was left cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LeftError {
    /// The folder cannot be had.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// Somebody has it who does not answer.
    #[error("WCA runs with {path}, but does not answer: end it first")]
    Silent {
        /// The folder.
        path: PathBuf,
    },
    /// The journal cannot be read, or the kernel cannot be asked.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// The values that the journal of this run directory holds; the usual one where none is named. Nothing is changed.
///
/// # Errors
/// [`LeftError`].
pub fn held_by_nobody(run_dir: Option<&Path>) -> Result<Vec<JournalEntry>, LeftError> {
    held_at(&Roots::system(), run_dir)
}

/// Puts back what the journal of this run directory holds; the usual one where none is named.
///
/// # Errors
/// [`LeftError`]. What could not be put back is no error here: it is told, and stays in the journal.
pub fn restore_for_nobody(run_dir: Option<&Path>) -> Result<LeftValues, LeftError> {
    restore_at(&Roots::system(), run_dir)
}

fn held_at(roots: &Roots, run_dir: Option<&Path>) -> Result<Vec<JournalEntry>, LeftError> {
    let folder = run_dir.map_or_else(default, Path::to_owned);
    Ok(held_in(roots, &folder)?.iter().map(entry).collect())
}

fn restore_at(roots: &Roots, run_dir: Option<&Path>) -> Result<LeftValues, LeftError> {
    // Where nothing was ever held, no folder is made. One of an earlier boot holds nothing that can be put back, and is told.
    if held_at(roots, run_dir)?.is_empty() && !run_dir.map_or_else(default, Path::to_owned).join(JOURNAL).exists() {
        return Ok(LeftValues::default());
    }
    let folder = RunDir::take_alone(run_dir)?;
    if folder.is_beside {
        return Err(LeftError::Silent { path: run_dir.map_or_else(default, Path::to_owned) });
    }
    // Nobody's policies: all that is held is a stranger's.
    let (mut control, opened) = Control::open(roots, Some(folder.path.clone()), Settings::default(), Vec::new())?;
    let restored = told(opened.restored.and(control.restore()));
    control.end();
    let lost = opened.lost.iter().map(|held| format!("{}, which was {} before", held.spot, held.before)).collect();
    Ok(LeftValues { restored, lost })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use wca_kernel::values::{Spot, Values};

    use super::*;

    /// A machine with one cgroup of v1, and a journal that says that its shares were 1024.
    struct Machine {
        dir: tempfile::TempDir,
    }

    impl Machine {
        fn new(boot: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let machine = Self { dir };
            for folder in ["proc/self", "proc/sys/kernel/random", "sys/fs/cgroup/cpu/a"] {
                fs::create_dir_all(machine.path(folder)).unwrap();
            }
            fs::write(machine.path("proc/sys/kernel/random/boot_id"), "one\n").unwrap();
            let mount = "30 25 0:26 / /sys/fs/cgroup/cpu rw,nosuid - cgroup cgroup rw,cpu\n";
            fs::write(machine.path("proc/self/mountinfo"), mount).unwrap();
            fs::write(machine.shares(), "2000\n").unwrap();
            let spot =
                Spot::Cgroup { mount: "/sys/fs/cgroup/cpu".into(), cgroup: "/a".into(), file: "cpu.shares".into() };
            let life = Values::find(&machine.roots()).unwrap().life(&spot).unwrap();
            drop(RunDir::take(Some(&machine.run_dir())).unwrap());
            let held = Self::held(life);
            let journal = format!("{{\"begin\":{{\"version\":1,\"boot\":\"{boot}\"}}}}\n{held}\n");
            fs::write(machine.run_dir().join("journal"), journal).unwrap();
            machine
        }

        fn held(life: u64) -> String {
            let spot = r#"{"Cgroup":{"mount":"/sys/fs/cgroup/cpu","cgroup":"/a","file":"cpu.shares"}}"#;
            let owner =
                r#"{"policy":{"name":"P","digest":"d"},"cgroup":"/a","kind":"cpu_shares","domain":null,"asked":"2"}"#;
            format!(
                r#"{{"writing":{{"number":1,"held":{{"spot":{spot},"life":{life},"owner":{owner},"before":"1024","written":"2000","now":"2000","since":1.0}}}}}}"#
            )
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn shares(&self) -> PathBuf {
            self.path("sys/fs/cgroup/cpu/a/cpu.shares")
        }

        fn run_dir(&self) -> PathBuf {
            self.path("run")
        }

        fn roots(&self) -> Roots {
            Roots::at(self.dir.path())
        }
    }

    #[test]
    fn what_was_left_is_told_and_put_back() {
        let machine = Machine::new("one");
        let held = held_at(&machine.roots(), Some(&machine.run_dir())).unwrap();
        assert_eq!((held[0].cgroup.as_str(), held[0].held.before.as_str()), ("/a", "1024"));
        let restored = restore_at(&machine.roots(), Some(&machine.run_dir())).unwrap();
        let put_back = RestoredValues { put_back: 1, ..RestoredValues::default() };
        assert_eq!(restored, LeftValues { restored: put_back, lost: vec![] });
        assert_eq!(fs::read_to_string(machine.shares()).unwrap(), "1024");
        let again = restore_at(&machine.roots(), Some(&machine.run_dir())).unwrap();
        assert_eq!(again, LeftValues::default());
    }

    #[test]
    fn what_is_of_another_boot_is_told_and_nothing_put_back() {
        let machine = Machine::new("another");
        assert!(held_at(&machine.roots(), Some(&machine.run_dir())).unwrap().is_empty());
        let left = restore_at(&machine.roots(), Some(&machine.run_dir())).unwrap();
        assert_eq!(left.restored, RestoredValues::default());
        assert_eq!(left.lost, ["/sys/fs/cgroup/cpu/a/cpu.shares, which was 1024 before"]);
        assert_eq!(fs::read_to_string(machine.shares()).unwrap(), "2000\n");
        assert!(!machine.run_dir().join(JOURNAL).exists(), "it is told once");
        assert_eq!(restore_at(&machine.roots(), Some(&machine.run_dir())).unwrap(), LeftValues::default());
    }

    #[test]
    fn what_somebody_has_locked_is_his() {
        let machine = Machine::new("one");
        let _warden = RunDir::take(Some(&machine.run_dir())).unwrap();
        let told = restore_at(&machine.roots(), Some(&machine.run_dir())).unwrap_err().to_string();
        assert!(told.ends_with("but does not answer: end it first"), "{told}");
        assert_eq!(fs::read_to_string(machine.shares()).unwrap(), "2000\n");
    }

    #[test]
    fn without_a_journal_nothing_is_done_and_no_folder_is_made() {
        let machine = Machine::new("one");
        let nowhere = machine.path("nowhere");
        assert!(held_at(&machine.roots(), Some(&nowhere)).unwrap().is_empty());
        assert_eq!(restore_at(&machine.roots(), Some(&nowhere)).unwrap(), LeftValues::default());
        assert!(!nowhere.exists());
    }

    #[test]
    fn a_journal_that_nobody_can_read_is_an_error_with_its_line() {
        let machine = Machine::new("one");
        fs::write(machine.run_dir().join("journal"), "{\"begin\":{\"version\":1,\"boot\":\"one\"}}\nx\n").unwrap();
        let told = restore_at(&machine.roots(), Some(&machine.run_dir())).unwrap_err().to_string();
        assert!(told.contains("journal, line 2: "), "{told}");
    }
}
