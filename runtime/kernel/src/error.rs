//! What can go wrong with a file of the kernel.

use std::io;
use std::path::PathBuf;

/// A file of the kernel could not be read, understood or written. Each says which.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file says something that this program does not understand.
    #[error("{path}: expected {expected}, found {found:?}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
        /// The beginning of what stands there.
        found: String,
    },
    /// A file could not be written.
    #[error("cannot write {value:?} to {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What should be written.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A group of resctrl could not be written.
    #[error("cannot write {value:?} to {path}: {source}; resctrl says: {status}")]
    Resctrl {
        /// The file or the group.
        path: PathBuf,
        /// What should be written.
        value: String,
        /// What the kernel said.
        source: io::Error,
        /// What `info/last_cmd_status` says, its lines separated by semicolons.
        status: String,
    },
    /// A group of resctrl has no such domain: it went offline, or was never there.
    #[error("{path} lists no domain {domain} of {resource}")]
    NoDomain {
        /// The file.
        path: PathBuf,
        /// The resource.
        resource: String,
        /// The domain.
        domain: u32,
    },
    /// A cgroup could not be made.
    #[error("cannot make the cgroup {path}: {source}")]
    Make {
        /// Its directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A cgroup could not be removed.
    #[error("cannot remove the cgroup {path}: {source}")]
    Remove {
        /// Its directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No hierarchy lets this user make a cgroup.
    #[error("no cgroup hierarchy lets this user make {path}: {reasons}")]
    NowhereToMake {
        /// The cgroup.
        path: PathBuf,
        /// What each hierarchy said, separated by semicolons.
        reasons: String,
    },
    /// A name that is no path of a cgroup.
    #[error("{path:?} is no path of a cgroup: {reason}")]
    CgroupPath {
        /// The name.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A limit of this process could not be raised.
    #[error("cannot raise the limit on open files to {wanted}: {source}")]
    DescriptorLimit {
        /// The limit that was wanted.
        wanted: u64,
        /// What the kernel said.
        source: io::Error,
    },
}

impl KernelError {
    /// Whether the file is not there, or not any more: the thing that it described vanished, or the kernel lacks it.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        if matches!(self, Self::NoDomain { .. }) {
            return true;
        }
        let (Self::Read { source, .. } | Self::Write { source, .. } | Self::Resctrl { source, .. }) = self else {
            return false;
        };
        is_absent(source)
    }
}

/// ENOENT and ENOTDIR: no such file. ENODEV: kernfs says so when a file is read through a descriptor after its directory
/// was removed. ESRCH: the process of a file in /proc ended.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::SRCH))
}

/// The beginning of a file, for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    if bytes.len() > SHOWN { format!("{shown}…") } else { shown.into_owned() }
}
