//! A walk through one hierarchy.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, open, openat, statat};
use rustix::io::{Errno, read, retry_on_intr};

use crate::Notice;
use crate::cgroup::tree::Found;
use crate::cgroup::{Hierarchy, Limits};
use crate::files::open_below;

/// Adds the cgroups of a hierarchy, the one at `index`, to those of the others.
pub(crate) fn walk(hierarchy: &Hierarchy, index: usize, limits: &Limits, found: &mut Found, notices: &mut Vec<Notice>) {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open(&hierarchy.dir, flags, Mode::empty()) {
        Ok(dir) => Walk { hierarchy, dir: &dir, limits, notices, denied: Vec::new() }.run(index, found),
        Err(error) => notices.push(trouble(hierarchy.dir.clone(), error)),
    }
}

/// One walk through one hierarchy, level by level, so that a limit cuts off what is deepest.
struct Walk<'a> {
    hierarchy: &'a Hierarchy,
    dir: &'a OwnedFd,
    limits: &'a Limits,
    notices: &'a mut Vec<Notice>,
    /// Directories that this user may not read; what is below is not reported again.
    denied: Vec<String>,
}

impl Walk<'_> {
    fn run(&mut self, index: usize, found: &mut Found) {
        let mut queue = VecDeque::from([(String::new(), 0)]);
        let mut visited = 0;
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
            if !is_root {
                found.add(&path, index, stat.st_ino, self.limits, || self.holds_process(&path));
            }
            // A directory counts one link for each directory in it besides two of its own, on cgroup file systems and
            // most others; listing the files of every leaf would double the price of the walk. A file system that does
            // not count says 1.
            if stat.st_nlink != 2 {
                self.list(at, &path, depth, &mut queue);
            }
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
