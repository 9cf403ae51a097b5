//! Which cgroups hold processes.

use std::collections::HashMap;

use rustix::fs::{AtFlags, CWD, FileType, statat};

use crate::Notice;
use crate::cgroup::walk::walk;
use crate::cgroup::{Hierarchies, Hierarchy, Version, relative_cgroup_path};

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
/// What vanishes on the way costs only itself. Names that are not printable UTF-8 are left out, with all below them.
#[must_use]
pub fn populated(hierarchies: &Hierarchies, limits: &Limits) -> Tree {
    let mut found = Found::default();
    let mut notices = Vec::new();
    // v2 first, since there it costs least to learn that a cgroup holds a process, and one hierarchy that says so is enough.
    let mut order: Vec<usize> = (0..hierarchies.all().len()).collect();
    order.sort_by_key(|index| hierarchies.all()[*index].version != Version::V2);
    for index in order {
        walk(&hierarchies.all()[index], index, limits, &mut found, &mut notices);
    }
    if found.populated > limits.populated {
        notices.push(Notice::TooManyTasks { limit: limits.populated });
    }
    let mut cgroups: Vec<PopulatedCgroup> = found
        .cgroups
        .into_iter()
        .filter(|(_, cgroup)| cgroup.is_populated)
        .map(|(path, cgroup)| cgroup.named(&path, hierarchies))
        .collect();
    cgroups.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Tree { cgroups, notices }
}

/// What the walks through all hierarchies have found so far.
#[derive(Default)]
pub(crate) struct Found {
    cgroups: HashMap<String, FoundCgroup>,
    /// How many were found populated, those beyond the limit included.
    populated: usize,
}

struct FoundCgroup {
    is_populated: bool,
    /// The hierarchies that have it, as bits.
    hierarchies: u64,
    /// The first of them, and its inode number there.
    first: (usize, u64),
}

impl Found {
    /// Notes that a hierarchy has a cgroup; true where it is still to be found out whether it holds a process.
    pub(crate) fn is_to_be_asked(&mut self, path: &str, hierarchy: usize, inode: u64, limits: &Limits) -> bool {
        // There are a dozen controllers; who mounts more than 64 hierarchies with names does without the others.
        let bit = u32::try_from(hierarchy).ok().and_then(|index| 1u64.checked_shl(index)).unwrap_or(0);
        let life = (hierarchy, inode);
        let is_populated = if let Some(cgroup) = self.cgroups.get_mut(path) {
            cgroup.hierarchies |= bit;
            cgroup.first = cgroup.first.min(life);
            cgroup.is_populated
        } else {
            let cgroup = FoundCgroup { is_populated: false, hierarchies: bit, first: life };
            self.cgroups.insert(path.to_owned(), cgroup);
            false
        };
        // Over the limit nobody needs to be asked any more.
        !is_populated && self.populated <= limits.populated
    }

    /// Notes that a cgroup holds a process.
    pub(crate) fn set_populated(&mut self, path: &str, limits: &Limits) {
        self.populated += 1;
        if let Some(cgroup) = self.cgroups.get_mut(path) {
            cgroup.is_populated = self.populated <= limits.populated;
        }
    }
}

impl FoundCgroup {
    fn named(&self, path: &str, hierarchies: &Hierarchies) -> PopulatedCgroup {
        let (first, inode) = self.first;
        // A hierarchy before may have the path where the walk did not come to it, for its limits.
        let before = hierarchies.all()[..first].iter().find_map(|hierarchy| identity_in(hierarchy, path));
        let has = |index: &usize| self.hierarchies >> (index % 64) & 1 == 1;
        PopulatedCgroup {
            path: format!("/{path}"),
            identity: before.unwrap_or_else(|| identity_of(&hierarchies.all()[first], inode)),
            hierarchies: (0..hierarchies.all().len().min(64)).filter(has).collect(),
        }
    }
}

/// Which life of a cgroup there is now, as in [`PopulatedCgroup::identity`], with or without processes in it; none where
/// no hierarchy has it, or `path` is none.
#[must_use]
pub fn identity(hierarchies: &Hierarchies, path: &str) -> Option<u64> {
    let path = relative_cgroup_path(path).ok().filter(|path| !path.is_empty())?;
    hierarchies.all().iter().find_map(|hierarchy| identity_in(hierarchy, path))
}

fn identity_in(hierarchy: &Hierarchy, path: &str) -> Option<u64> {
    let found = statat(CWD, hierarchy.cgroup_dir(path), AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_cgroup = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
    is_cgroup.then(|| identity_of(hierarchy, found.st_ino))
}

/// Hierarchies count their inodes alike from 1, so the number alone would meet itself in another hierarchy.
fn identity_of(hierarchy: &Hierarchy, inode: u64) -> u64 {
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
