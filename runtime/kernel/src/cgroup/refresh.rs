//! A hierarchy in which little changed: only the directories that did are looked into again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, fstat, openat};
use rustix::io::Errno;

use crate::cgroup::walk::{Listing, Walk, may_be_directory};
use crate::cgroup::watch::Watches;
use crate::cgroup::{Hierarchy, Limits};

/// With more directories than these, a walk through the whole hierarchy is as cheap.
const MANY: usize = 64;

/// A directory that has others in it than before.
struct Changed {
    dir: OwnedFd,
    path: String,
    depth: usize,
    new: Vec<CString>,
}

impl Listing {
    /// Looks for what came and went in the directories with these inode numbers, and for nothing else; false where the whole
    /// hierarchy is to be walked instead.
    pub(crate) fn refresh(
        &mut self,
        hierarchy: &Hierarchy,
        index: usize,
        limits: &Limits,
        watches: &mut Watches,
        dirs: &HashSet<u64>,
    ) -> bool {
        // What was left out before, for a limit or a name, only a walk from the top leaves out again in the same way.
        if dirs.len() > MANY || !self.is_watched || !self.notices.is_empty() {
            return false;
        }
        let mut gone = HashSet::new();
        let Some(changed) = self.changed(dirs, &mut gone) else { return false };
        self.cgroups.retain(|listed| {
            let is_gone = is_at_or_below_any(&listed.path, &gone);
            if is_gone {
                watches.remove(index, listed.inode);
            }
            !is_gone
        });
        let Some(root) = self.root.take() else { return false };
        let visited = self.cgroups.len();
        let listing = std::mem::take(self);
        let queue = VecDeque::new();
        let mut walk = Walk { hierarchy, index, limits, watches: Some(watches), listing, queue, visited };
        for one in changed.into_iter().filter(|one| !is_at_or_below_any(&one.path, &gone)) {
            for name in one.new {
                walk.look_at(&one.dir, &one.path, &name, one.depth + 1);
            }
        }
        walk.run(&root.dir);
        *self = walk.listing;
        self.root = Some(root);
        let is_deep = self.cgroups.iter().any(|listed| depth(&listed.path) > limits.depth);
        self.notices.is_empty() && self.cgroups.len() <= limits.visited && !is_deep
    }

    /// The directories that have others in them than before, with what is new; what is not there any more goes to `gone`.
    fn changed(&self, dirs: &HashSet<u64>, gone: &mut HashSet<String>) -> Option<Vec<Changed>> {
        let root = self.root.as_ref()?;
        let below = self.cgroups.iter().filter(|listed| dirs.contains(&listed.inode));
        let below = below.map(|listed| (listed.path.as_str(), listed.inode));
        let mut changed = Vec::new();
        for (path, inode) in below.chain(dirs.contains(&root.inode).then_some(("", root.inode))) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = match openat(&root.dir, if path.is_empty() { "." } else { path }, flags, Mode::empty()) {
                Ok(dir) => dir,
                // It went too, and the directory above has changed.
                Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => continue,
                Err(_) => return None,
            };
            if fstat(&dir).ok()?.st_ino != inode {
                continue;
            }
            let mut before: HashMap<&[u8], u64> = self
                .cgroups
                .iter()
                .filter_map(|listed| Some((name_in(&listed.path, path)?.as_bytes(), listed.inode)))
                .collect();
            let mut new = Vec::new();
            let mut buffer = [MaybeUninit::uninit(); 8_192];
            let mut entries = RawDir::new(&dir, &mut buffer);
            while let Some(entry) = entries.next() {
                let entry = entry.ok()?;
                let name: &CStr = entry.file_name();
                if may_be_directory(&entry) && before.get(name.to_bytes()) == Some(&entry.ino()) {
                    before.remove(name.to_bytes());
                } else if may_be_directory(&entry) {
                    new.push(name.to_owned());
                }
            }
            let names = before.keys().filter_map(|name| str::from_utf8(name).ok());
            gone.extend(names.map(|name| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }));
            changed.push(Changed { dir, path: path.to_owned(), depth: depth(path), new });
        }
        Some(changed)
    }
}

/// Levels below the mount point.
fn depth(path: &str) -> usize {
    if path.is_empty() { 0 } else { path.matches('/').count() + 1 }
}

/// The name of a cgroup that stands directly below another one.
fn name_in<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(above)?;
    let name = if above.is_empty() { rest } else { rest.strip_prefix('/')? };
    (!name.contains('/')).then_some(name)
}

fn is_at_or_below_any(path: &str, those: &HashSet<String>) -> bool {
    !those.is_empty()
        && path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]).any(|above| those.contains(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_directly_below() {
        assert_eq!(name_in("a/b", "a"), Some("b"));
        assert_eq!(name_in("a/b/c", "a"), None);
        assert_eq!(name_in("ab/c", "a"), None);
        assert_eq!(name_in("a", "a"), None);
        assert_eq!((name_in("a", ""), name_in("a/b", "")), (Some("a"), None));
        assert_eq!(["", "a", "a/b"].map(depth), [0, 1, 2]);
    }

    #[test]
    fn what_is_gone_takes_all_below_with_it() {
        let gone = HashSet::from(["a/b".to_owned()]);
        let is_gone = ["a", "a/b", "a/b/c", "a/bc", "b"].map(|path| is_at_or_below_any(path, &gone));
        assert_eq!(is_gone, [false, true, true, false, false]);
    }
}
