//! What happened in the hierarchies: the kernel says by inotify(7) that a cgroup was made, removed or renamed and that a file
//! was written, so that what stays as it is need not be looked at.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::files::read_file;
use crate::text::number;

/// The directories that are watched.
pub(crate) struct Watches {
    inotify: OwnedFd,
    hierarchies: Vec<Watched>,
    /// The hierarchy and the inode number of each watch, by the number that the kernel gave it.
    places: HashMap<i32, (usize, u64)>,
    /// How many watches there may be.
    pub budget: usize,
    /// Whether there was one too few.
    pub is_short: bool,
}

/// What is watched of a hierarchy.
struct Watched {
    flags: WatchFlags,
    /// Its directories by inode number.
    dirs: HashMap<u64, Watch>,
}

struct Watch {
    number: i32,
    /// That of its cgroup.events, where it is watched too.
    events: Option<i32>,
    /// Whether the directory was seen since [`Watches::begin`].
    is_seen: bool,
}

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A directory was made, removed or renamed in this one, by the hierarchy and the inode number.
    Children(usize, u64),
    /// A directory is watched no more, since it is gone.
    Gone(usize, u64),
    /// A hierarchy was unmounted.
    Hierarchy(usize),
    /// Somebody wrote a file of a cgroup, or the kernel has news of it, by the hierarchy and the inode number of the cgroup.
    File(usize, u64),
    /// Anything: there was more than is told.
    Anything,
}

/// The limit on watches of a user, which all its processes share.
const LIMIT: &str = "/proc/sys/fs/inotify/max_user_watches";

/// The limit of kernels before 5.11, where it cannot be read.
const USUAL_LIMIT: u64 = 8_192;

/// How many events are taken at a time, at most: as many as a queue holds by default. What is left is of the next time.
const EVENTS: usize = 16_384;

/// Whether a directory is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It was already.
    Before,
    /// From now on.
    Now,
    /// It cannot be.
    Not,
}

/// How many watches all processes of this user may have together.
pub(crate) fn most_watches() -> usize {
    let limit = read_file(Path::new(LIMIT)).ok().and_then(|bytes| number(&bytes)).unwrap_or(USUAL_LIMIT);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl Watches {
    /// Watches nothing yet; `with_files` says for each hierarchy whether it matters that a file was written. None where
    /// this process may have no more inotify instances.
    pub(crate) fn new(with_files: impl IntoIterator<Item = bool>) -> Option<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        let tree = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        let flags = |with_files| if with_files { tree | WatchFlags::MODIFY } else { tree };
        let watched = |with_files| Watched { flags: flags(with_files), dirs: HashMap::new() };
        Some(Self {
            inotify,
            hierarchies: with_files.into_iter().map(watched).collect(),
            places: HashMap::new(),
            // Others of this user live on the same limit.
            budget: most_watches() / 2,
            is_short: false,
        })
    }

    /// How many directories are watched.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// Tells what happened since the last time, some of it more than once.
    pub(crate) fn changes(&mut self, mut tell: impl FnMut(Change)) {
        let mut buffer = [MaybeUninit::uninit(); 8_192];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        for _ in 0..EVENTS {
            let (number, events) = match reader.next() {
                Ok(event) => (event.wd(), event.events()),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                break;
            }
            // A watch that was removed here still has its last words in the queue, and so may what it saw before.
            let Some((hierarchy, inode)) = self.places.get(&number).copied() else { continue };
            if events.contains(ReadFlags::IGNORED) {
                self.places.remove(&number);
                let dirs = &mut self.hierarchies[hierarchy].dirs;
                if let Some(watch) = dirs.get_mut(&inode).filter(|watch| watch.events == Some(number)) {
                    watch.events = None;
                    tell(Change::File(hierarchy, inode));
                    continue;
                }
                if let Some(events) = dirs.remove(&inode).and_then(|watch| watch.events) {
                    self.places.remove(&events);
                    let _ = inotify::remove_watch(&self.inotify, events);
                }
                tell(Change::Gone(hierarchy, inode));
            } else if events.contains(ReadFlags::UNMOUNT) {
                tell(Change::Hierarchy(hierarchy));
            } else if events.contains(ReadFlags::ISDIR) {
                tell(Change::Children(hierarchy, inode));
            } else {
                tell(Change::File(hierarchy, inode));
            }
        }
        tell(Change::Anything);
    }

    /// A hierarchy is about to be walked.
    pub(crate) fn begin(&mut self, hierarchy: usize) {
        self.hierarchies[hierarchy].dirs.values_mut().for_each(|watch| watch.is_seen = false);
    }

    /// Watches a directory of a hierarchy from now on, where it is not watched already.
    pub(crate) fn add(&mut self, hierarchy: usize, inode: u64, path: impl FnOnce() -> PathBuf) -> Added {
        let is_full = self.count() >= self.budget;
        let watched = &mut self.hierarchies[hierarchy];
        if let Some(watch) = watched.dirs.get_mut(&inode) {
            watch.is_seen = true;
            return Added::Before;
        }
        if is_full {
            self.is_short = true;
            return Added::Not;
        }
        match inotify::add_watch(&self.inotify, path(), watched.flags) {
            Ok(number) => {
                self.places.insert(number, (hierarchy, inode));
                watched.dirs.insert(inode, Watch { number, events: None, is_seen: true });
                Added::Now
            }
            Err(error) => {
                self.is_short |= matches!(error, Errno::NOSPC | Errno::NOMEM);
                Added::Not
            }
        }
    }

    /// Whether news of the cgroup in its cgroup.events, which is at this path, were told already since before this call. They
    /// are from now on, where that can be. A watch of the directory is not told of them.
    pub(crate) fn tells_of(&mut self, hierarchy: usize, inode: u64, path: impl FnOnce() -> PathBuf) -> bool {
        let is_full = self.count() >= self.budget;
        let Some(watch) = self.hierarchies[hierarchy].dirs.get_mut(&inode) else { return false };
        if watch.events.is_some() || is_full {
            return watch.events.is_some();
        }
        if let Ok(number) = inotify::add_watch(&self.inotify, path(), WatchFlags::MODIFY | WatchFlags::DONT_FOLLOW) {
            watch.events = Some(number);
            self.places.insert(number, (hierarchy, inode));
        }
        false
    }

    /// Watches a directory no more.
    pub(crate) fn remove(&mut self, hierarchy: usize, inode: u64) {
        if let Some(watch) = self.hierarchies[hierarchy].dirs.remove(&inode) {
            self.forget_watch(watch.number);
            watch.events.into_iter().for_each(|events| self.forget_watch(events));
        }
    }

    fn forget_watch(&mut self, number: i32) {
        self.places.remove(&number);
        // It may have ended by itself meanwhile.
        let _ = inotify::remove_watch(&self.inotify, number);
    }

    /// Watches nothing of a hierarchy any more. Another one in its place may count its inodes alike.
    pub(crate) fn forget(&mut self, hierarchy: usize) {
        self.begin(hierarchy);
        self.end(hierarchy);
    }

    /// A hierarchy was walked: what was not seen is watched no more. Linux 6.18 does not by itself end the watch of a
    /// cgroup that was removed.
    pub(crate) fn end(&mut self, hierarchy: usize) {
        let unseen = self.hierarchies[hierarchy].dirs.iter().filter(|(_, watch)| !watch.is_seen);
        for inode in unseen.map(|(inode, _)| *inode).collect::<Vec<_>>() {
            self.remove(hierarchy, inode);
        }
    }
}
