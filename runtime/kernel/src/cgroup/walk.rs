//! A walk through one hierarchy.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
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
        Ok(dir) => {
            let queue = VecDeque::from([(String::new(), 0)]);
            let path = String::new();
            Walk { hierarchy, index, limits, found, notices, queue, path, visited: 0, denied: Vec::new() }.run(&dir);
        }
        Err(error) => notices.push(trouble(hierarchy.dir.clone(), error)),
    }
}

/// One walk, level by level, so that a limit cuts off what is deepest.
struct Walk<'a> {
    hierarchy: &'a Hierarchy,
    index: usize,
    limits: &'a Limits,
    found: &'a mut Found,
    notices: &'a mut Vec<Notice>,
    /// Cgroups that have others below them, and how deep they lie.
    queue: VecDeque<(String, usize)>,
    /// Reused for the path of the cgroup that is looked at.
    path: String,
    visited: usize,
    /// Cgroups that this user may not read; what is below is not reported again.
    denied: Vec<String>,
}

impl Walk<'_> {
    fn run(&mut self, root: &OwnedFd) {
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
                self.trouble(above, above, error);
                return true;
            }
        };
        let mut buffer = [MaybeUninit::uninit(); 8_192];
        let mut entries = RawDir::new(&dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.trouble(above, above, error);
                    return true;
                }
            };
            let name = entry.file_name();
            // Every file of a cgroup comes by here, so the cheap question is asked first.
            if !matches!(entry.file_type(), FileType::Directory | FileType::Unknown)
                || matches!(name.to_bytes(), b"." | b"..")
            {
                continue;
            }
            if self.visited >= self.limits.visited {
                let limit = self.limits.visited;
                self.notices.push(Notice::TooManyCgroups { path: self.hierarchy.dir.clone(), limit });
                return false;
            }
            if depth >= self.limits.depth {
                let path = self.hierarchy.cgroup_dir(above);
                self.notices.push(Notice::TooDeep { path, limit: self.limits.depth });
                return true;
            }
            self.look_at(&dir, above, name, depth + 1);
        }
        true
    }

    fn look_at(&mut self, dir: &OwnedFd, above: &str, name: &CStr, depth: usize) {
        let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        // Some file systems do not say in a listing what is a directory.
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return;
        }
        self.visited += 1;
        let Ok(name) = name.to_str().map_err(drop).and_then(printable) else {
            let path = self.hierarchy.cgroup_dir(above).join(name.to_string_lossy().as_ref());
            return self.notices.push(Notice::NameSkipped { path });
        };
        let mut path = std::mem::take(&mut self.path);
        path.clear();
        path.push_str(above);
        if !above.is_empty() {
            path.push('/');
        }
        path.push_str(name);
        if self.found.is_to_be_asked(&path, self.index, stat.st_ino, self.limits)
            && self.holds_process(dir, name, &path)
        {
            self.found.set_populated(&path, self.limits);
        }
        // A directory counts one link for each directory in it besides two of its own, on cgroup file systems and most
        // others; listing the files of every leaf would double the price of the walk. A file system that does not count
        // says 1.
        if stat.st_nlink != 2 {
            self.queue.push_back((path.clone(), depth));
        }
        self.path = path;
    }

    /// Whether a process is in a cgroup itself. One byte of cgroup.procs is enough to know.
    fn holds_process(&mut self, dir: &OwnedFd, name: &str, path: &str) -> bool {
        let mut byte = [0u8; 1];
        let file = format!("{name}/cgroup.procs");
        match open_below(dir, file.as_str()).and_then(|file| retry_on_intr(|| read(&file, &mut byte))) {
            Ok(count) => count > 0,
            // The processes of a threaded cgroup are those of the cgroup above that began it (cgroup-v2.rst, Threads).
            Err(Errno::OPNOTSUPP) => false,
            Err(error) => {
                self.trouble(path, &format!("{path}/cgroup.procs"), error);
                false
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

fn printable(name: &str) -> Result<&str, ()> {
    if name.contains(char::is_control) { Err(()) } else { Ok(name) }
}
