//! A walk through one hierarchy.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RawDirEntry, Stat, fstat, open, openat, stat, statat};
use rustix::io::Errno;

use crate::Notice;
use crate::cgroup::watch::{Added, Watches};
use crate::cgroup::{Hierarchy, Limits};

/// The cgroups of one hierarchy, as they were when it was last walked.
#[derive(Default)]
pub(crate) struct Listing {
    /// Its root; none where it could not be opened.
    pub root: Option<Root>,
    /// The cgroups, in no order.
    pub cgroups: Vec<Listed>,
    /// What was left out, and why.
    pub notices: Vec<Notice>,
    /// Cgroups that this user may not read; what is below is not reported again.
    pub denied: Vec<String>,
    /// Whether each change is noticed: all that was looked into is watched.
    pub is_watched: bool,
}

/// A cgroup that was found.
pub(crate) struct Listed {
    /// Path below the mount point, without a leading slash.
    pub path: String,
    /// Its inode number.
    pub inode: u64,
    /// Whether it is watched only since this walk, or not at all: what was done to it before, nobody has told.
    pub is_new: bool,
}

/// The directory of a hierarchy.
pub(crate) struct Root {
    /// Opened as a path only.
    pub dir: OwnedFd,
    device: u64,
    /// Its inode number.
    pub inode: u64,
}

impl Listing {
    /// Lists the cgroups of the hierarchy at `index`.
    pub(crate) fn new(hierarchy: &Hierarchy, index: usize, limits: &Limits, mut watches: Option<&mut Watches>) -> Self {
        let mut listing = Self { is_watched: watches.is_some(), ..Self::default() };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(&hierarchy.dir, flags, Mode::empty()).and_then(|dir| Ok((fstat(&dir)?, dir)));
        match opened {
            Ok((found, dir)) => {
                if let Some(watches) = watches.as_deref_mut() {
                    watches.begin(index);
                }
                let queue = VecDeque::from([(String::new(), 0)]);
                let mut walk = Walk { hierarchy, index, limits, watches, listing, queue, visited: 0 };
                walk.watch(found.st_ino, "");
                walk.run(&dir);
                let Walk { watches, listing: done, .. } = walk;
                if let Some(watches) = watches {
                    watches.end(index);
                }
                listing = done;
                listing.root = Some(Root { dir, device: found.st_dev, inode: found.st_ino });
            }
            Err(error) => {
                listing.is_watched = false;
                listing.notices.push(trouble(hierarchy.dir.clone(), error));
            }
        }
        listing
    }

    /// Whether the mount point still leads to the hierarchy that was walked.
    pub(crate) fn stands(&self, hierarchy: &Hierarchy) -> bool {
        let found = stat(&hierarchy.dir).map(|found| (found.st_dev, found.st_ino)).ok();
        self.root.as_ref().map(|root| (root.device, root.inode)).is_some_and(|root| found == Some(root))
    }
}

/// One walk, level by level, so that a limit cuts off what is deepest.
pub(super) struct Walk<'a> {
    pub hierarchy: &'a Hierarchy,
    pub index: usize,
    pub limits: &'a Limits,
    pub watches: Option<&'a mut Watches>,
    /// What was found so far.
    pub listing: Listing,
    /// Cgroups that have others below them, and how deep they lie.
    pub queue: VecDeque<(String, usize)>,
    /// How many cgroups were looked at.
    pub visited: usize,
}

impl Walk<'_> {
    /// Looks at what is in the queue, and at what is below it.
    pub(super) fn run(&mut self, root: &OwnedFd) {
        while let Some((above, depth)) = self.queue.pop_front() {
            if !self.list(root, &above, depth) {
                return;
            }
        }
    }

    /// Looks at the cgroups directly below one; false where no more may be looked at.
    fn list(&mut self, root: &OwnedFd, above: &str, depth: usize) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(root, if above.is_empty() { "." } else { above }, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(error) => {
                self.trouble(above, error);
                return true;
            }
        };
        let mut buffer = [MaybeUninit::uninit(); 8_192];
        let mut entries = RawDir::new(&dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.trouble(above, error);
                    return true;
                }
            };
            let name = entry.file_name();
            if !may_be_directory(&entry) {
                continue;
            }
            if self.visited >= self.limits.visited {
                let limit = self.limits.visited;
                self.listing.notices.push(Notice::TooManyCgroups { path: self.hierarchy.dir.clone(), limit });
                return false;
            }
            if depth >= self.limits.depth {
                let path = self.hierarchy.cgroup_dir(above);
                self.listing.notices.push(Notice::TooDeep { path, limit: self.limits.depth });
                return true;
            }
            self.look_at(&dir, above, name, depth + 1);
        }
        true
    }

    /// Adds the cgroup of that name in the directory `dir`, which is that of `above`.
    pub(super) fn look_at(&mut self, dir: &OwnedFd, above: &str, name: &CStr, depth: usize) {
        let Some(mut found) = directory(dir, name) else { return };
        self.visited += 1;
        let Ok(text) = name.to_str().map_err(drop).and_then(printable) else {
            let path = self.hierarchy.cgroup_dir(above).join(name.to_string_lossy().as_ref());
            return self.listing.notices.push(Notice::NameSkipped { path });
        };
        let path = if above.is_empty() { text.to_owned() } else { format!("{above}/{text}") };
        let is_new = self.watch(found.st_ino, &path);
        if is_new {
            // What was made in it before it was watched shows only now.
            let again = directory(dir, name).filter(|again| again.st_ino == found.st_ino);
            let Some(again) = again else { return self.forget(found.st_ino) };
            found = again;
        }
        // A directory counts one link for each directory in it besides two of its own, on cgroup file systems and most
        // others; listing the files of every leaf would double the price of the walk. A file system that does not count
        // says 1.
        if found.st_nlink != 2 {
            self.queue.push_back((path.clone(), depth));
        }
        self.listing.cgroups.push(Listed { path, inode: found.st_ino, is_new });
    }

    /// Has a directory watched; true where it was not before, or cannot be.
    fn watch(&mut self, inode: u64, cgroup: &str) -> bool {
        let Some(watches) = self.watches.as_deref_mut() else { return false };
        match watches.add(self.index, inode, || self.hierarchy.cgroup_dir(cgroup)) {
            Added::Before => false,
            Added::Now => true,
            Added::Not => {
                self.listing.is_watched = false;
                true
            }
        }
    }

    /// A directory went while it was looked at, and if another came in its place, that one may be watched in its name.
    fn forget(&mut self, inode: u64) {
        self.listing.is_watched = false;
        if let Some(watches) = self.watches.as_deref_mut() {
            watches.remove(self.index, inode);
        }
    }

    fn trouble(&mut self, cgroup: &str, error: Errno) {
        // A change of permissions is nothing that a watch says.
        self.listing.is_watched = false;
        self.listing.notices.extend(trouble_of(self.hierarchy, cgroup, cgroup, error, &mut self.listing.denied));
    }
}

/// Whether an entry is worth a closer look. Every file of a cgroup comes by here, so the cheap question is asked first.
pub(crate) fn may_be_directory(entry: &RawDirEntry<'_>) -> bool {
    matches!(entry.file_type(), FileType::Directory | FileType::Unknown)
        && !matches!(entry.file_name().to_bytes(), b"." | b"..")
}

/// What stands in a directory under a name, where it is a directory; some file systems do not say so in a listing.
fn directory(dir: impl AsFd, name: &CStr) -> Option<Stat> {
    let found = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    (FileType::from_raw_mode(found.st_mode) == FileType::Directory).then_some(found)
}

/// What is to be said of a cgroup where the file or directory `name` cannot be read. That it vanished is nothing; what is
/// denied is said once for it and all below it.
pub(crate) fn trouble_of(
    hierarchy: &Hierarchy,
    cgroup: &str,
    name: &str,
    error: Errno,
    denied: &mut Vec<String>,
) -> Option<Notice> {
    match error {
        Errno::NOENT | Errno::NODEV | Errno::NOTDIR => return None,
        Errno::ACCESS | Errno::PERM => {
            if denied.iter().any(|denied| is_at_or_below(cgroup, denied)) {
                return None;
            }
            denied.push(cgroup.to_owned());
        }
        _ => {}
    }
    Some(trouble(hierarchy.cgroup_dir(name), error))
}

fn trouble(path: PathBuf, error: Errno) -> Notice {
    match error {
        Errno::ACCESS | Errno::PERM => Notice::Denied { path },
        error => Notice::Unreadable { path, error: error.to_string() },
    }
}

fn is_at_or_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn printable(name: &str) -> Result<&str, ()> {
    if name.contains(char::is_control) { Err(()) } else { Ok(name) }
}
