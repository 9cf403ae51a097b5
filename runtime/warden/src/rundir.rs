//! The folder of one warden: its lock, and the operator's socket.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, openat, unlinkat};
use rustix::io::Errno;

use crate::private::{Closed, PrivateError, private_folder};

const LOCK: &str = "lock";
/// How long the folder is waited for by who needs it itself, and how long from one try to the next.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(20);
/// Name of the operator's socket in the run directory.
pub const SOCKET: &str = "operator.sock";

/// The run directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The folder cannot be trusted or made.
    #[error("run directory: {0} (--run-dir names another)")]
    Folder(#[from] PrivateError),
    /// The lock file cannot be had.
    #[error("{call} {path}: {errno} (--run-dir names another)")]
    Lock {
        /// The call.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// The socket cannot be made.
    #[error("the operator's socket in {path}: {source} (--run-dir names another)")]
    Socket {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The folder of this warden, locked. What is in it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct RunDir {
    pub(crate) path: PathBuf,
    folder: OwnedFd,
    lock: OwnedFd,
    /// Another warden holds the folder above, so that this one has a folder of its own in it.
    pub(crate) is_beside: bool,
}

impl RunDir {
    /// Takes the folder: the lock in it, or, where another warden runs, a folder named by this process in it.
    pub(crate) fn take(named: Option<&Path>) -> Result<Self, RunDirError> {
        let path = named.map_or_else(default, Path::to_owned);
        let folder = private_folder(&path, Closed::ToWriters)?;
        if let Some(lock) = try_lock(&folder, &path)? {
            let taken = Self { path, folder, lock, is_beside: false };
            taken.clean();
            return Ok(taken);
        }
        let path = path.join(std::process::id().to_string());
        // Who takes the lock above at this moment may remove a folder that nobody has locked yet.
        for _ in 0..10 {
            let folder = private_folder(&path, Closed::ToWriters)?;
            let failed = |errno| RunDirError::Lock { call: "locking", path: path.clone(), errno };
            if let Some(lock) = try_lock(&folder, &path)?
                && fstat(&lock).map_err(failed)?.st_nlink > 0
            {
                return Ok(Self { path, folder, lock, is_beside: true });
            }
        }
        Err(RunDirError::Lock { call: "locking", path, errno: Errno::AGAIN })
    }

    /// As [`RunDir::take`], for who needs the folder itself. A child of a warden that was killed in the moment in which it
    /// was born keeps the lock until it runs its own program, so that one that is not to be had is tried again for a while.
    pub(crate) fn take_alone(named: Option<&Path>) -> Result<Self, RunDirError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let taken = Self::take(named)?;
            if !taken.is_beside || Instant::now() >= deadline {
                return Ok(taken);
            }
            drop(taken);
            std::thread::sleep(BETWEEN);
        }
    }

    /// A path to the socket that is short enough for every folder, and leads into this very folder.
    pub(crate) fn socket_path(&self) -> String {
        format!("/proc/self/fd/{}/{SOCKET}", self.folder.as_raw_fd())
    }

    pub(crate) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Removes the folders of wardens that have died, which nobody locks.
    fn clean(&self) {
        let Ok(entries) = Dir::read_from(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(folder) = openat(&self.folder, name, flags, Mode::empty()) else { continue };
            if let Ok(Some(_lock)) = try_lock(&folder, &self.path) {
                remove_files(&folder);
                let _ = unlinkat(&self.folder, name, AtFlags::REMOVEDIR);
            }
        }
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if self.is_beside {
            remove_files(&self.folder);
            let _ = std::fs::remove_dir(&self.path);
        } else {
            // The lock file stays: whoever waits for it has it open.
            let _ = unlinkat(&self.folder, SOCKET, AtFlags::empty());
        }
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

fn remove_files(folder: &OwnedFd) {
    for name in [SOCKET, LOCK] {
        let _ = unlinkat(folder, name, AtFlags::empty());
    }
}

/// Locks the folder; none where another warden holds it.
fn try_lock(folder: &OwnedFd, path: &Path) -> Result<Option<OwnedFd>, RunDirError> {
    let failed = |call| move |errno| RunDirError::Lock { call, path: path.join(LOCK), errno };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = openat(folder, LOCK, flags, Mode::RUSR | Mode::WUSR).map_err(failed("opening"))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(failed("locking")(errno)),
    }
}

/// Where a warden without a named folder has its own.
pub(crate) fn default() -> PathBuf {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return "/run/wca".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute()) {
        Some(dir) => dir.join("wca"),
        None => std::env::temp_dir().join(format!("wca-{}", user.as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_warden_has_a_folder_of_its_own_and_both_clean_up() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("wca");
        let first = RunDir::take(Some(&path)).unwrap();
        assert_eq!(first.path, path);
        let second = RunDir::take(Some(&path)).unwrap();
        assert_eq!(second.path, path.join(std::process::id().to_string()));
        drop(first);
        let third = RunDir::take(Some(&path)).unwrap();
        assert_eq!(third.path, path);
        assert!(second.path.exists(), "a folder that is locked was cleaned");
        let own = second.path.clone();
        drop(second);
        assert!(!own.exists());
    }

    #[test]
    fn folders_of_wardens_that_died_are_removed() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("wca");
        drop(RunDir::take(Some(&path)).unwrap());
        std::fs::create_dir(path.join("4242")).unwrap();
        std::fs::write(path.join("4242").join(SOCKET), "").unwrap();
        std::fs::create_dir(path.join("kept")).unwrap();
        let _first = RunDir::take(Some(&path)).unwrap();
        assert!(!path.join("4242").exists());
        assert!(path.join("kept").exists());
    }
}
