//! Finding the populated cgroups again and again.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, pread, retry_on_intr};

use crate::Notice;
use crate::cgroup::known::{Known, merged};
use crate::cgroup::walk::{Listing, Root, trouble_of};
use crate::cgroup::watch::{Change, Watches};
use crate::cgroup::{Hierarchies, Hierarchy, Limits, PopulatedCgroup, Tree, Version};
use crate::files::open_below;
use crate::limits::walker_descriptors;

/// Finds every cgroup of any hierarchy that has a process in itself, as [`crate::populated`] does, for those who look at
/// each tick.
///
/// Which cgroups there are is remembered, and a directory is looked into again where the kernel says that a cgroup in it was
/// made, removed or renamed (inotify(7), which has said so by the time that mkdir(2) returns). Whether a cgroup holds a
/// process is asked at each walk: of the hierarchy first that said so the last time, and mostly of that one alone. Of a
/// cgroup that held none, those v1 hierarchies are asked again in which somebody wrote one of its files since: there a
/// process comes in no other way. One that v2 said to hold a process, and that has no others below it, is not asked until
/// the kernel tells of its cgroup.events, as it does within some 10 ms when the last process has gone (cgroup-v2.rst,
/// \[Un\]populated Notification).
///
/// A hierarchy that cannot be watched, or not wholly, is walked each time.
pub struct TreeWalker {
    hierarchies: Hierarchies,
    limits: Limits,
    watches: Option<Watches>,
    /// Whether the watches that could not be had are spoken of.
    is_watching: bool,
    /// In the order in which hierarchies are asked: v2 first, since there it costs least to learn that a cgroup holds a
    /// process, and one hierarchy that says so is enough.
    order: Vec<usize>,
    /// One per hierarchy; none where it was never walked.
    listings: Vec<Option<Listing>>,
    /// All cgroups, level by level, so that the limit on populated ones cuts off what is deepest.
    known: Vec<Known>,
    tree: Tree,
    has_changed: bool,
    /// How many files may stay open. The sampler has most of what the process may have.
    descriptors: usize,
    /// Reused for the path of a file.
    path: String,
}

impl TreeWalker {
    /// Nothing is walked yet.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies, limits: Limits) -> Self {
        let watches = Watches::new(hierarchies.all().iter().map(only_by_writing));
        let descriptors = usize::try_from(walker_descriptors()).unwrap_or(usize::MAX);
        Self { watches, is_watching: true, descriptors, ..Self::once(hierarchies, limits) }
    }

    /// How many directories may be watched: by default half of fs.inotify.max_user_watches, which all processes of a user
    /// share.
    pub fn set_watch_budget(&mut self, directories: usize) {
        if let Some(watches) = &mut self.watches {
            watches.budget = directories;
        }
    }

    /// For one walk alone, which watches would only make dearer.
    pub(crate) fn once(hierarchies: &Hierarchies, limits: Limits) -> Self {
        let mut order: Vec<usize> = (0..hierarchies.all().len()).collect();
        order.sort_by_key(|index| hierarchies.all()[*index].version != Version::V2);
        Self {
            listings: order.iter().map(|_| None).collect(),
            hierarchies: hierarchies.clone(),
            limits,
            watches: None,
            is_watching: false,
            order,
            known: Vec::new(),
            tree: Tree::default(),
            has_changed: false,
            descriptors: 0,
            path: String::new(),
        }
    }

    pub(crate) fn into_tree(mut self) -> Tree {
        self.walk();
        self.tree
    }

    /// The populated cgroups of this moment.
    pub fn walk(&mut self) -> &Tree {
        let mut written = HashSet::new();
        let is_new = self.list(&mut written);
        if is_new {
            self.known = merged(&mut self.listings, &self.hierarchies, std::mem::take(&mut self.known));
        }
        self.disquiet(&written);
        let mut notices: Vec<Notice> = self
            .order
            .iter()
            .filter_map(|at| self.listings[*at].as_ref())
            .flat_map(|one| one.notices.clone())
            .collect();
        let kept = self.watches.as_ref().map_or(0, Watches::count);
        if self.is_watching && self.watches.as_ref().is_none_or(|watches| watches.is_short) {
            notices.push(Notice::WatchesShort { kept });
        }
        self.has_changed = self.ask(&mut notices) || is_new;
        if self.has_changed {
            let cgroups = self.populated();
            self.has_changed = cgroups != self.tree.cgroups;
            self.tree.cgroups = cgroups;
        }
        self.tree.notices = notices;
        &self.tree
    }

    /// What the last walk found; nothing before the first.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether the last walk found other cgroups than the one before.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Looks at what changed in the hierarchies, or may have; whether there was something. Notes which cgroups had a file
    /// written, by hierarchy and inode number.
    fn list(&mut self, written: &mut HashSet<(usize, u64)>) -> bool {
        let Self { hierarchies, limits, watches, listings, order, known, .. } = self;
        let mut changed: Vec<HashSet<u64>> = Vec::new();
        let mut gone: Vec<HashSet<u64>> = Vec::new();
        if let Some(watches) = watches {
            changed.resize_with(listings.len(), HashSet::new);
            gone.resize_with(listings.len(), HashSet::new);
            watches.changes(|change| match change {
                Change::Children(hierarchy, inode) => _ = changed[hierarchy].insert(inode),
                Change::Gone(hierarchy, inode) => _ = gone[hierarchy].insert(inode),
                Change::Hierarchy(hierarchy) => listings[hierarchy] = None,
                Change::File(hierarchy, inode) => _ = written.insert((hierarchy, inode)),
                Change::Anything => {
                    listings.fill_with(|| None);
                    known.clear();
                }
            });
            watches.is_short = false;
        }
        let mut is_new = false;
        for at in order.iter().copied() {
            let hierarchy = &hierarchies.all()[at];
            if let (Some(listing), Some(watches)) = (&mut listings[at], watches.as_mut()) {
                if !listing.stands(hierarchy) {
                    watches.forget(at);
                } else if listing.is_watched && changed[at].is_empty() && gone[at].is_empty() {
                    continue;
                } else if listing.refresh(hierarchy, at, limits, watches, &changed[at])
                    // The number of a directory that went may be that of one that came; that one is not watched.
                    && !listing.cgroups.iter().any(|listed| gone[at].contains(&listed.inode))
                {
                    is_new = true;
                    continue;
                }
            }
            listings[at] = Some(Listing::new(hierarchy, at, limits, watches.as_mut()));
            is_new = true;
        }
        is_new
    }

    /// Has those cgroups asked whose files were written.
    fn disquiet(&mut self, written: &HashSet<(usize, u64)>) {
        if written.is_empty() {
            return;
        }
        let listed =
            |(at, listing)| std::iter::repeat(at).zip(Option::iter(listing).flat_map(|one: &Listing| &one.cgroups));
        let paths: HashSet<&str> = (self.listings.iter().enumerate())
            .flat_map(listed)
            .filter(|(at, listed)| written.contains(&(*at, listed.inode)))
            .map(|(_, listed)| listed.path.as_str())
            .collect();
        for known in &mut self.known {
            let is_written = paths.contains(known.path.as_str());
            known.is_quiet &= !is_written;
            known.is_settled &= !is_written;
        }
    }

    /// Asks which cgroups hold a process; whether one does that did not, or the other way round.
    fn ask(&mut self, notices: &mut Vec<Notice>) -> bool {
        let mut has_changed = false;
        let mut count = 0;
        let is_all_watched = self.listings.iter().flatten().all(|listing| listing.is_watched);
        let all = self.hierarchies.all();
        let mut denied: Vec<Vec<String>> = self
            .listings
            .iter()
            .map(|listing| listing.as_ref().map(|listing| listing.denied.clone()).unwrap_or_default())
            .collect();
        let mut kept = self.known.iter().filter(|known| known.procs.is_some()).count();
        for known in &mut self.known {
            // Over the limit nobody needs to be asked any more.
            let mut is_populated = false;
            if count <= self.limits.populated && known.is_settled && is_all_watched {
                is_populated = true;
                count += 1;
            } else if count <= self.limits.populated {
                known.is_settled = false;
                let mut is_quiet = is_all_watched;
                let others = self.order.iter().copied().filter(|at| Some(*at) != known.asked);
                for at in known.asked.into_iter().chain(others) {
                    let root = self.listings[at].as_ref().and_then(|listing| listing.root.as_ref());
                    let Some(root) = root.filter(|_| known.is_in(at)) else { continue };
                    if known.is_quiet && is_all_watched && only_by_writing(&all[at]) {
                        continue;
                    }
                    let before = known.procs.take().filter(|_| known.asked == Some(at));
                    kept -= usize::from(before.is_some());
                    match holds_process(before, root, &known.path, &mut self.path) {
                        Ok(Some(procs)) => {
                            let is_v2 = all[at].version == Version::V2;
                            let leaf = known.leaf.filter(|leaf| leaf.0 == at && is_all_watched);
                            known.is_settled = leaf.is_some_and(|(_, inode)| {
                                let file = || all[at].cgroup_dir(&known.path).join("cgroup.events");
                                self.watches.as_mut().is_some_and(|watches| watches.tells_of(at, inode, file))
                            });
                            if is_v2 && !known.is_settled && kept < self.descriptors {
                                known.procs = Some(procs);
                                kept += 1;
                            }
                            known.asked = Some(at);
                            is_populated = true;
                            break;
                        }
                        Ok(None) => {}
                        Err(error) => {
                            is_quiet = false;
                            let hierarchy = &all[at];
                            notices.extend(trouble_of(hierarchy, &known.path, &self.path, error, &mut denied[at]));
                        }
                    }
                }
                known.is_quiet = is_quiet && !is_populated;
                count += usize::from(is_populated);
            }
            is_populated &= count <= self.limits.populated;
            has_changed |= known.is_populated != is_populated;
            known.is_populated = is_populated;
        }
        if count > self.limits.populated {
            notices.push(Notice::TooManyTasks { limit: self.limits.populated });
        }
        has_changed
    }

    /// Those that hold a process, by path.
    fn populated(&mut self) -> Vec<PopulatedCgroup> {
        let populated = self.known.iter_mut().filter(|known| known.is_populated);
        let mut cgroups: Vec<PopulatedCgroup> = populated.map(|known| known.named(&self.hierarchies)).collect();
        cgroups.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        cgroups
    }
}

/// Whether a process comes into an empty cgroup of this hierarchy only where somebody writes its cgroup.procs or tasks. On
/// v2 it can be born there (CLONE_INTO_CGROUP), and a v1 cpuset that loses its last processor gives its processes to the
/// one above (cgroup-v1/cpusets.rst).
fn only_by_writing(hierarchy: &Hierarchy) -> bool {
    hierarchy.version == Version::V1 && !hierarchy.has("cpuset")
}

/// Its cgroup.procs where a process is in a cgroup itself: one byte of it is enough to know. The file `before` is read where
/// it is still open. That is for v2 alone: of a v1 file that stays open the kernel gives the list that it made up to a second
/// ago (cgroup_pidlist_start), and of a v2 one it looks anew at each reading from the beginning (cgroup_procs_start).
fn holds_process(
    before: Option<OwnedFd>,
    root: &Root,
    cgroup: &str,
    path: &mut String,
) -> Result<Option<OwnedFd>, Errno> {
    path.clear();
    path.push_str(cgroup);
    path.push_str("/cgroup.procs");
    let procs = before.map_or_else(|| open_below(&root.dir, path.as_str()), Ok);
    match procs.and_then(|procs| retry_on_intr(|| pread(&procs, &mut [0u8; 1], 0)).map(|count| (count, procs))) {
        Ok((count, procs)) => Ok((count > 0).then_some(procs)),
        // The processes of a threaded cgroup are those of the cgroup above that began it (cgroup-v2.rst, Threads).
        Err(Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}
