//! What is known of a cgroup over all hierarchies.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use crate::cgroup::tree::{identity_in, identity_of};
use crate::cgroup::walk::Listing;
use crate::cgroup::{Hierarchies, PopulatedCgroup, Version};

/// A cgroup that is there.
pub(crate) struct Known {
    /// Path below the mount points, without a leading slash.
    pub path: String,
    /// The hierarchies that have it, as bits.
    hierarchies: u64,
    /// The first of them, and its inode number there.
    first: (usize, u64),
    /// Once it was found populated.
    identity: Option<u64>,
    /// A sum that changes when it is made again in any hierarchy.
    lives: u64,
    /// The hierarchy that is asked first.
    pub asked: Option<usize>,
    /// Its cgroup.procs there, where it is kept open.
    pub procs: Option<OwnedFd>,
    /// Whether it held a process when it was last asked.
    pub is_populated: bool,
    /// Whether no hierarchy has a process in it, and nobody wrote a file of it since they were asked.
    pub is_quiet: bool,
    /// Whether it holds a process, and the kernel would have told if it held none any more.
    pub is_settled: bool,
    /// The v2 hierarchy and its inode number there, where it has no others below it.
    pub leaf: Option<(usize, u64)>,
}

/// The cgroups of all hierarchies, level by level, with what was known of those that are as they were.
pub(crate) fn merged(listings: &mut [Option<Listing>], hierarchies: &Hierarchies, before: Vec<Known>) -> Vec<Known> {
    let mut before: HashMap<String, Known> = before.into_iter().map(|known| (known.path.clone(), known)).collect();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut all: Vec<Known> = Vec::new();
    for (at, listing) in listings.iter().enumerate() {
        for listed in listing.iter().flat_map(|listing| &listing.cgroups) {
            let place = *places.entry(&listed.path).or_insert_with(|| {
                all.push(Known::new(&listed.path, (at, listed.inode)));
                all.len() - 1
            });
            let known = &mut all[place];
            known.hierarchies |= bit(at);
            known.lives = known.lives.wrapping_add(identity_of(&hierarchies.all()[at], listed.inode));
            known.is_quiet &= !listed.is_new;
            if hierarchies.all()[at].version == Version::V2 {
                known.leaf = Some((at, listed.inode));
            }
        }
    }
    for (_, listing) in listings.iter().enumerate().filter(|(at, _)| hierarchies.all()[*at].version == Version::V2) {
        let above = listing.iter().flat_map(|listing| &listing.cgroups).filter_map(|one| one.path.rsplit_once('/'));
        for place in above.filter_map(|(above, _)| places.get(above)) {
            all[*place].leaf = None;
        }
    }
    for known in &mut all {
        let before = before.remove(&known.path).filter(|before| before.lives == known.lives);
        known.is_quiet &= before.as_ref().is_some_and(|before| before.is_quiet);
        known.is_settled = before.as_ref().is_some_and(|before| before.is_settled && before.leaf == known.leaf);
        known.asked = before.as_ref().and_then(|before| before.asked);
        known.procs = before.and_then(|before| before.procs);
    }
    for listed in listings.iter_mut().flatten().flat_map(|listing| &mut listing.cgroups) {
        listed.is_new = false;
    }
    all.sort_by_cached_key(|one| (one.path.matches('/').count(), one.path.clone()));
    all
}

impl Known {
    fn new(path: &str, first: (usize, u64)) -> Self {
        Self {
            path: path.to_owned(),
            hierarchies: 0,
            first,
            identity: None,
            lives: 0,
            asked: None,
            procs: None,
            is_populated: false,
            is_quiet: true,
            is_settled: false,
            leaf: None,
        }
    }

    /// Whether a hierarchy has it.
    pub(crate) fn is_in(&self, hierarchy: usize) -> bool {
        self.hierarchies & bit(hierarchy) != 0
    }

    /// It, as others see it.
    pub(crate) fn named(&mut self, hierarchies: &Hierarchies) -> PopulatedCgroup {
        let all = hierarchies.all();
        let (first, inode) = self.first;
        // A hierarchy before may have the path where the walk did not come to it, for its limits, or came too early.
        let identity = *self.identity.get_or_insert_with(|| {
            let before = all[..first].iter().find_map(|hierarchy| identity_in(hierarchy, &self.path));
            before.unwrap_or_else(|| identity_of(&all[first], inode))
        });
        PopulatedCgroup {
            path: format!("/{}", self.path),
            identity,
            hierarchies: (0..all.len()).filter(|at| self.is_in(*at)).collect(),
        }
    }
}

/// There are a dozen controllers; who mounts more than 64 hierarchies with names does without the others.
fn bit(hierarchy: usize) -> u64 {
    u32::try_from(hierarchy).ok().and_then(|index| 1u64.checked_shl(index)).unwrap_or(0)
}
