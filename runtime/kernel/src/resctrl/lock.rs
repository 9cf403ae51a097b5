//! The lock on /sys/fs/resctrl ("Locking" in Documentation/filesystems/resctrl.rst).

use std::os::fd::{AsFd, BorrowedFd};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How often and how long apart it is tried. Whoever has it longer delays what is measured, not the tick.
const TRIES: u32 = 20;
const PATIENT_TRIES: u32 = 2_000;
const BETWEEN: Duration = Duration::from_millis(1);

/// The lock, until it is dropped.
pub(super) struct Lock<'a>(BorrowedFd<'a>);

impl<'a> Lock<'a> {
    /// Takes the lock on the open root directory of resctrl; none where another process keeps it.
    pub(super) fn take(root: &'a impl AsFd) -> Option<Self> {
        lock(root, TRIES).then(|| Self(root.as_fd()))
    }
}

/// Takes the lock as [`Lock::take`] does, for who would rather wait than leave something undone; whether it has it, until the
/// directory is unlocked or closed.
pub(super) fn wait(root: impl AsFd) -> bool {
    lock(root, PATIENT_TRIES)
}

fn lock(root: impl AsFd, tries: u32) -> bool {
    for _ in 0..tries {
        match flock(root.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return true,
            Err(Errno::INTR) => {}
            Err(_) => sleep(BETWEEN),
        }
    }
    false
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Unlocking what is locked does not fail.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn one_has_the_lock_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| File::open(dir.path()).unwrap());
        let held = Lock::take(&one).unwrap();
        assert!(Lock::take(&other).is_none());
        drop(held);
        assert!(Lock::take(&other).is_some());
    }
}
