//! One group, as far as its threads go.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr, write};

use crate::resctrl::counters::{Counters, Reading};
use crate::resctrl::layout::{Domain, Place, threads};
use crate::resctrl::mount::Event;

/// A group from which values of a task are read.
pub(super) struct Group {
    /// Where it stands.
    pub place: Place,
    /// Whether it is ours: made here or by an earlier process like this one, and locked by this one.
    pub is_ours: bool,
    /// Its counters.
    pub counters: Counters,
    dir: OwnedFd,
}

impl Group {
    /// Opens a group that is there.
    pub(super) fn open(root: &OwnedFd, place: Place) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = openat(root, place.path(), flags, Mode::empty())?;
        Ok(Self { place, is_ours: false, counters: Counters::default(), dir })
    }

    /// Makes it ours, as long as this is kept; false where it is another living process's.
    pub(super) fn own(&mut self) -> bool {
        self.is_ours = flock(&self.dir, FlockOperation::NonBlockingLockExclusive).is_ok();
        self.is_ours
    }

    /// Makes a monitoring group, which takes an RMID.
    ///
    /// # Errors
    /// NOSPC and BUSY where there is none (BUSY: until the cache has forgotten who had it last); EXIST where somebody has
    /// a group of that name.
    pub(super) fn make(root: &OwnedFd, place: Place) -> Result<Self, Errno> {
        let path = place.path();
        mkdirat(root, &path, Mode::from_raw_mode(0o755))?;
        let mut group = Self::open(root, place)?;
        group.own();
        Ok(group)
    }

    /// Adds its threads to `ids`.
    pub(super) fn threads(&self, buffer: &mut Vec<u8>, ids: &mut Vec<u32>) -> Result<(), Errno> {
        threads(&self.dir, "tasks", buffer, ids)
    }

    /// Where threads are written.
    pub(super) fn writer(&self) -> Result<Writer, Errno> {
        Writer::open(&self.dir, "tasks")
    }

    /// Reads a counter.
    pub(super) fn read(
        &mut self,
        domain: (usize, &Domain),
        event: (usize, Event),
        keeps: bool,
        buffer: &mut Vec<u8>,
    ) -> Reading {
        self.counters.read(&self.dir, domain, event, keeps, buffer)
    }

    /// Whether it has not been removed.
    pub(super) fn is_there(&self) -> bool {
        statat(&self.dir, "tasks", AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Moves it to another control group. Its threads come along, so it must have none; its counters go on.
    pub(super) fn move_to(&mut self, root: &OwnedFd, control: &str) -> Result<(), Errno> {
        let place = Place { control: control.to_owned(), monitoring: self.place.monitoring.clone() };
        renameat(root, self.place.path(), root, place.path())?;
        self.place = place;
        Ok(())
    }

    /// Removes it; its threads go to its control group. One that is gone already is well removed.
    pub(super) fn remove(&self, root: &OwnedFd) -> Result<(), Errno> {
        match unlinkat(root, self.place.path(), AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        }
    }
}

/// The open `tasks` file of a group.
pub(super) struct Writer(OwnedFd);

impl Writer {
    /// Opens the one at that path.
    pub(super) fn open(dir: &OwnedFd, path: &str) -> Result<Self, Errno> {
        // The kernel takes each write for itself, wherever it goes to; in a tree that stands in for it, lines gather.
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
        openat(dir, path, flags, Mode::empty()).map(Self)
    }

    /// Writes a thread into it.
    ///
    /// # Errors
    /// SRCH where it has ended; INVAL where it is not in the control group of this monitoring group.
    pub(super) fn add(&self, thread: u32) -> Result<(), Errno> {
        let line = format!("{thread}\n");
        retry_on_intr(|| write(&self.0, line.as_bytes())).map(drop)
    }
}
