//! The files that the operator named for what the agent writes: opened here, with the operator's rights, and handed over.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use wca_messages::Refused;

use crate::error::WardenError;
use crate::opening::{MODE, open_at_end};

/// A file that the agent may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Its path.
    pub path: PathBuf,
    /// How it is written.
    pub written: Written,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// What comes is added at its end.
    Appended,
    /// Each time as a whole: readers see the old content or the new one.
    Replaced,
}

/// A file that is open, or whose folder is.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(OwnedFd),
    Folder {
        folder: OwnedFd,
        name: OsString,
        /// Where the next content is written.
        beside: OsString,
    },
}

/// Outputs that were opened so far: after a reload, the old output of a file and the new one may both be written for a moment,
/// and neither must take the other's content.
static OPENED: AtomicU64 = AtomicU64::new(0);

impl Output {
    /// Opens the file, which is made where it is not there; of one that is replaced, its folder.
    pub(crate) fn open(file: &OutputFile) -> Result<Self, WardenError> {
        let path = file.path.clone();
        let failed = |errno: Errno| WardenError::Output { path: path.clone(), errno };
        let place = match file.written {
            Written::Appended => Place::File(open_at_end(&path)?),
            Written::Replaced => {
                let name = path.file_name().ok_or_else(|| failed(Errno::ISDIR))?.to_owned();
                let folder = match path.parent() {
                    Some(folder) if folder != Path::new("") => folder,
                    _ => Path::new("."),
                };
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = open(folder, flags, Mode::empty()).map_err(failed)?;
                let beside = beside(&name, OPENED.fetch_add(1, Ordering::Relaxed));
                // Said at the start, not at the first tick.
                drop(begin(&folder, &beside).map_err(failed)?);
                unlinkat(&folder, &beside, AtFlags::empty()).map_err(failed)?;
                Place::Folder { folder, name, beside }
            }
        };
        Ok(Self { path, place })
    }

    /// Opens a file that is written at its end anew, by its name, as after it was moved away.
    pub(crate) fn reopen(&mut self) -> Result<(), WardenError> {
        if let Place::File(file) = &mut self.place {
            *file = open_at_end(&self.path)?;
        }
        Ok(())
    }

    /// A descriptor to write to. What is replaced is written beside its old content.
    pub(crate) fn hand_over(&self) -> Result<OwnedFd, Refused> {
        match &self.place {
            Place::File(file) => {
                rustix::io::fcntl_dupfd_cloexec(file, 0).map_err(|errno| self.failed("its descriptor", errno))
            }
            Place::Folder { folder, beside, .. } => {
                begin(folder, beside).map_err(|errno| self.failed("making a new file beside it", errno))
            }
        }
    }

    /// Puts what was written into its place.
    pub(crate) fn publish(&self) -> Result<(), Refused> {
        match &self.place {
            Place::File(_) => {
                Err(Refused::Invalid(format!("{} is written at its end, not replaced", self.path.display())))
            }
            Place::Folder { folder, name, beside } => renameat(folder, beside, folder, name)
                .map_err(|errno| self.failed("putting the new content into its place", errno)),
        }
    }

    fn failed(&self, what: &str, errno: Errno) -> Refused {
        Refused::Failed(format!("{}: {what}: {errno}", self.path.display()))
    }
}

/// Name of the file that takes the place of `name`: no two names share it, and no two outputs.
fn beside(name: &OsStr, output: u64) -> OsString {
    let mut beside = name.to_owned();
    beside.push(format!(".{output}.tmp"));
    beside
}

/// A new file of that name; what an earlier writer left is removed, so that a link which somebody else put there leads
/// nowhere.
fn begin(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(folder, name, flags, MODE) {
        Err(Errno::EXIST) => {
            unlinkat(folder, name, AtFlags::empty())?;
            openat(folder, name, flags, MODE)
        }
        opened => opened,
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Place::Folder { folder, beside, .. } = &self.place {
            // What was begun and not published; usually nothing.
            let _ = unlinkat(folder, beside, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, read_to_string, write};
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn output(path: PathBuf, written: Written) -> Output {
        Output::open(&OutputFile { path, written }).unwrap()
    }

    #[test]
    fn what_is_appended_comes_after_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.prom");
        write(&path, "old\n").unwrap();
        let output = output(path.clone(), Written::Appended);
        File::from(output.hand_over().unwrap()).write_all(b"new\n").unwrap();
        File::from(output.hand_over().unwrap()).write_all(b"newer\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "old\nnew\nnewer\n");
        let told = output.publish().unwrap_err().to_string();
        assert!(told.ends_with("metrics.prom is written at its end, not replaced"), "{told}");
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("metrics.prom"), folder.path().join("metrics.prom.1"));
        let mut output = output(path.clone(), Written::Appended);
        File::from(output.hand_over().unwrap()).write_all(b"old\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        File::from(output.hand_over().unwrap()).write_all(b"still old\n").unwrap();
        output.reopen().unwrap();
        File::from(output.hand_over().unwrap()).write_all(b"new\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "new\n");
        assert_eq!(read_to_string(&moved).unwrap(), "old\nstill old\n");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("metrics.prom"), folder.path().join("other"));
        write(&path, "old\n").unwrap();
        let output = output(path.clone(), Written::Replaced);
        let Place::Folder { beside, .. } = &output.place else { panic!("{output:?}") };
        symlink(&other, folder.path().join(beside)).unwrap();
        File::from(output.hand_over().unwrap()).write_all(b"new\n").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "old\n");
        output.publish().unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "new\n");
        assert!(!other.exists());
    }

    #[test]
    fn two_outputs_of_one_file_keep_their_contents_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.prom");
        let old = output(path.clone(), Written::Replaced);
        File::from(old.hand_over().unwrap()).write_all(b"old\n").unwrap();
        let new = output(path.clone(), Written::Replaced);
        File::from(new.hand_over().unwrap()).write_all(b"new\n").unwrap();
        old.publish().unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "old\n");
        new.publish().unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "new\n");
        drop(new.hand_over().unwrap());
        drop((old, new));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_made_is_said_with_its_path() {
        for written in [Written::Appended, Written::Replaced] {
            let file = OutputFile { path: "/proc/none/metrics.prom".into(), written };
            let told = Output::open(&file).unwrap_err().to_string();
            assert_eq!(told, "/proc/none/metrics.prom cannot be written: No such file or directory (os error 2)");
        }
    }
}
