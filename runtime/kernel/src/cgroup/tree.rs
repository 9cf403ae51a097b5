//! Which cgroups hold processes.

use rustix::fs::{AtFlags, CWD, FileType, statat};

use crate::Notice;
use crate::cgroup::{Hierarchies, Hierarchy, TreeWalker, relative_cgroup_path};

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
    /// 32 levels (a container in a container in a pod stands at about 15), 20,000 cgroups, 10,000 populated ones.
    fn default() -> Self {
        Self { depth: 32, visited: 20_000, populated: 10_000 }
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
    /// The hierarchies that have this path, as indices into [`Hierarchies::all`]. In one of them at least it holds a
    /// process; asking all of them would make the walk several times as dear (cgroup.procs of v1 is sorted for each reader).
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
/// What vanishes on the way costs only itself. Names that are not printable UTF-8 are left out, with all below them. Who
/// looks again and again has a [`TreeWalker`], which is several times as cheap.
#[must_use]
pub fn populated(hierarchies: &Hierarchies, limits: &Limits) -> Tree {
    TreeWalker::once(hierarchies, *limits).into_tree()
}

/// Which life of a cgroup there is now, as in [`PopulatedCgroup::identity`], with or without processes in it; none where
/// no hierarchy has it, or `path` is none.
#[must_use]
pub fn identity(hierarchies: &Hierarchies, path: &str) -> Option<u64> {
    let path = relative_cgroup_path(path).ok().filter(|path| !path.is_empty())?;
    hierarchies.all().iter().find_map(|hierarchy| identity_in(hierarchy, path))
}

pub(crate) fn identity_in(hierarchy: &Hierarchy, path: &str) -> Option<u64> {
    let found = statat(CWD, hierarchy.cgroup_dir(path), AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_cgroup = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
    is_cgroup.then(|| identity_of(hierarchy, found.st_ino))
}

/// Hierarchies count their inodes alike from 1, so the number alone would meet itself in another hierarchy.
pub(crate) fn identity_of(hierarchy: &Hierarchy, inode: u64) -> u64 {
    let (major, minor) = hierarchy.device;
    scramble(inode ^ scramble(u64::from(major) << 32 | u64::from(minor)))
}

/// A bijection that spreads neighbouring numbers over all 64 bits.
fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
