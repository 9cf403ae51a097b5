//! Which cgroups hold processes.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, open, openat, statat};
use rustix::io::{Errno, read, retry_on_intr};

use crate::Notice;
use crate::cgroup::{Hierarchies, Hierarchy, Version, relative_cgroup_path};
use crate::files::open_below;
use crate::text::number_of;

/// How far a walk goes. Containers may be allowed to make cgroups of their own, as many as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels below the mount point.
    pub depth: usize,
    /// Cgroups that are looked at in one hierarchy.
    pub visited: usize,
    /// Populated cgroups over all hierarchies.
    pub populated: usize,
}

impl Default for Limits {
    /// 32 levels (a container in a container in a pod stands at about 15), 100,000 cgroups, 10,000 populated ones.
    fn default() -> Self {
        Self { depth: 32, visited: 100_000, populated: 10_000 }
    }
}

/// A cgroup with processes in itself, not only in cgroups below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopulatedCgroup {
    /// Path below the mount points, with a leading `/`.
    pub path: String,
    /// Stays as long as the cgroup lives; one that is made again under the same path has another.
    ///
    /// From the inode number in the first hierarchy that has this path, populated there or not: container runtimes make
    /// the directories of all hierarchies before they move a process into the first, so it does not change on the way.
    pub identity: u64,
    /// The hierarchies in which it holds a process, as indices into [`Hierarchies::all`].
    pub hierarchies: Vec<usize>,
}

/// The populated cgroups of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The cgroups, by path.
    pub cgroups: Vec<PopulatedCgroup>,
    /// What was left out, and why. The same at each walk: [`crate::Said`] says it once.
    pub notices: Vec<Notice>,
}

/// Finds every cgroup of any hierarchy that has a process in itself. The root cgroups are none of them.
///
/// What vanishes on the way costs only itself. Names that are not printable UTF-8 are left out, with all below them.
#[must_use]
pub fn populated(hierarchies: &Hierarchies, limits: &Limits) -> Tree {
    let mut merged = BTreeMap::new();
    let mut notices = Vec::new();
    let mut dirs = Vec::with_capacity(hierarchies.all().len());
    for (index, hierarchy) in hierarchies.all().iter().enumerate() {
        let dir = match open(&hierarchy.dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(dir) => dir,
            Err(error) => {
                notices.push(trouble(hierarchy.dir.clone(), error));
                dirs.push(None);
                continue;
            }
        };
        let mut walk = Walk { hierarchy, dir: &dir, limits, notices: Vec::new(), denied: Vec::new() };
        walk.run(|path, inode| {
            if merged.len() >= limits.populated && !merged.contains_key(path) {
                return false;
            }
            let found: &mut Found = merged.entry(path.to_owned()).or_default();
            found.first.get_or_insert((index, inode));
            found.hierarchies.push(index);
            true
        });
        notices.append(&mut walk.notices);
        dirs.push(Some(dir));
    }
    let cgroups = merged
        .into_iter()
        .map(|(path, found)| PopulatedCgroup {
            identity: found.identity(&path, hierarchies, &dirs),
            path: format!("/{path}"),
            hierarchies: found.hierarchies,
        })
        .collect();
    notices.dedup();
    Tree { cgroups, notices }
}

#[derive(Default)]
struct Found {
    /// The first hierarchy in which it is populated, and its inode number there.
    first: Option<(usize, u64)>,
    hierarchies: Vec<usize>,
}

impl Found {
    fn identity(&self, path: &str, hierarchies: &Hierarchies, dirs: &[Option<OwnedFd>]) -> u64 {
        let Some((populated, inode)) = self.first else { return 0 };
        let (index, inode) = dirs[..populated]
            .iter()
            .enumerate()
            .find_map(|(index, dir)| Some((index, inode_of(dir.as_ref()?, path)?)))
            .unwrap_or((populated, inode));
        identity_in(&hierarchies.all()[index], inode)
    }
}

/// Which life of a cgroup there is now, as in [`PopulatedCgroup::identity`], with or without processes in it; none where
/// no hierarchy has it, or `path` is none.
#[must_use]
pub fn identity(hierarchies: &Hierarchies, path: &str) -> Option<u64> {
    let path = relative_cgroup_path(path).ok().filter(|path| !path.is_empty())?;
    hierarchies.all().iter().find_map(|hierarchy| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = open(&hierarchy.dir, flags, Mode::empty()).ok()?;
        Some(identity_in(hierarchy, inode_of(&dir, path)?))
    })
}

/// Hierarchies count their inodes alike from 1, so the number alone would meet itself in another hierarchy.
fn identity_in(hierarchy: &Hierarchy, inode: u64) -> u64 {
    let (major, minor) = hierarchy.device;
    scramble(inode ^ scramble(u64::from(major) << 32 | u64::from(minor)))
}

fn inode_of(dir: impl AsFd, path: &str) -> Option<u64> {
    statat(dir, path, AtFlags::SYMLINK_NOFOLLOW).ok().map(|found| found.st_ino)
}

/// A bijection that spreads neighbouring numbers over all 64 bits.
fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One walk through one hierarchy, level by level, so that a limit cuts off what is deepest.
struct Walk<'a> {
    hierarchy: &'a Hierarchy,
    dir: &'a OwnedFd,
    limits: &'a Limits,
    notices: Vec<Notice>,
    /// Directories that this user may not read; what is below is not reported again.
    denied: Vec<String>,
}

impl Walk<'_> {
    /// Hands every populated cgroup to `found` with its inode number; `found` says whether there was room for it.
    fn run(&mut self, mut found: impl FnMut(&str, u64) -> bool) {
        let mut queue = VecDeque::from([(String::new(), 0)]);
        let mut visited = 0;
        let mut told = false;
        while let Some((path, depth)) = queue.pop_front() {
            if visited > self.limits.visited {
                let limit = self.limits.visited;
                self.notices.push(Notice::TooManyCgroups { path: self.hierarchy.dir.clone(), limit });
                return;
            }
            visited += 1;
            let is_root = path.is_empty();
            let at = if is_root { "." } else { &path };
            let Ok(stat) = statat(self.dir, at, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if !is_root && self.holds_process(&path) && !found(&path, stat.st_ino) && !told {
                told = true;
                self.notices.push(Notice::TooManyTasks { limit: self.limits.populated });
            }
            // A directory counts one link for each directory in it besides two of its own, on cgroup file systems and
            // most others; listing the files of every leaf would double the price of the walk. A file system that does
            // not count says 1.
            if stat.st_nlink == 2 || (!is_root && self.is_empty_below(&path)) {
                continue;
            }
            self.list(at, &path, depth, &mut queue);
        }
    }

    /// Whether a process is in this cgroup itself. One byte of cgroup.procs is enough to know.
    fn holds_process(&mut self, path: &str) -> bool {
        let mut byte = [0u8; 1];
        let name = format!("{path}/cgroup.procs");
        match open_below(self.dir, &name).and_then(|file| retry_on_intr(|| read(&file, &mut byte))) {
            Ok(count) => count > 0,
            // The processes of a threaded cgroup are those of the cgroup above that began it (cgroup-v2.rst, Threads).
            Err(Errno::OPNOTSUPP) => false,
            Err(error) => {
                self.trouble(path, &name, error);
                false
            }
        }
    }

    /// Whether the kernel says that no cgroup below holds a process either: then nobody needs to look.
    fn is_empty_below(&self, path: &str) -> bool {
        if self.hierarchy.version == Version::V1 {
            return false;
        }
        let mut text = [0u8; 128];
        open_below(self.dir, format!("{path}/cgroup.events").as_str())
            .and_then(|file| retry_on_intr(|| read(&file, &mut text)))
            .is_ok_and(|count| number_of(&text[..count], b"populated") == Some(0))
    }

    /// Queues the cgroups directly below.
    fn list(&mut self, at: &str, path: &str, depth: usize, queue: &mut VecDeque<(String, usize)>) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(self.dir, at, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(error) => return self.trouble(path, at, error),
        };
        let mut buffer = [MaybeUninit::uninit(); 8_192];
        let mut entries = RawDir::new(&dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.trouble(path, at, error),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || !is_directory(&dir, entry.file_type(), name) {
                continue;
            }
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match name.to_str() {
                Ok(name) if !name.contains(char::is_control) => {
                    if depth >= self.limits.depth {
                        let path = self.hierarchy.cgroup_dir(path);
                        return self.notices.push(Notice::TooDeep { path, limit: self.limits.depth });
                    }
                    // One more than may be visited, so that the walk knows that there were more.
                    if queue.len() > self.limits.visited {
                        return;
                    }
                    queue.push_back((below(name), depth + 1));
                }
                _ => {
                    let path = self.hierarchy.cgroup_dir(&below(&name.to_string_lossy()));
                    self.notices.push(Notice::NameSkipped { path });
                }
            }
        }
    }

    fn trouble(&mut self, cgroup: &str, name: &str, error: Errno) {
        match error {
            Errno::NOENT | Errno::NODEV | Errno::NOTDIR => {}
            Errno::ACCESS | Errno::PERM => {
                let known = self.denied.iter().any(|denied| is_at_or_below(cgroup, denied));
                if !known {
                    self.denied.push(cgroup.to_owned());
                    self.notices.push(Notice::Denied { path: self.hierarchy.cgroup_dir(name) });
                }
            }
            error => self.notices.push(trouble(self.hierarchy.cgroup_dir(name), error)),
        }
    }
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

/// Some file systems do not say in a listing what is a directory.
fn is_directory(dir: impl AsFd, listed: FileType, name: &CStr) -> bool {
    match listed {
        FileType::Directory => true,
        FileType::Unknown => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory),
        _ => false,
    }
}
