//! Which groups and domains there are, and who is in which.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, openat, statat};
use rustix::io::Errno;

use crate::cgroup::walk::may_be_directory;
use crate::files::{open_below, reread};
use crate::text::{lines, number};

/// Where a group stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// Name of its control group; empty for the root one.
    pub control: String,
    /// Name of the monitoring group; empty for the control group itself.
    pub monitoring: String,
}

impl Place {
    /// Path below the root directory, `.` for the root itself.
    pub(super) fn path(&self) -> String {
        match (self.control.as_str(), self.monitoring.as_str()) {
            ("", "") => ".".to_owned(),
            (control, "") => control.to_owned(),
            ("", monitoring) => format!("mon_groups/{monitoring}"),
            (control, monitoring) => format!("{control}/mon_groups/{monitoring}"),
        }
    }
}

/// All groups but the root one: control groups and, in each and in the root, monitoring groups.
pub(super) fn groups(root: &OwnedFd) -> Result<Vec<Place>, Errno> {
    let mut controls = subdirectories(root, ".")?;
    // Three directories of the root are no groups.
    controls.retain(|name| !matches!(name.as_str(), "info" | "mon_groups" | "mon_data"));
    let mut places: Vec<Place> =
        controls.iter().map(|control| Place { control: control.clone(), monitoring: String::new() }).collect();
    for control in std::iter::once(String::new()).chain(controls) {
        let below = if control.is_empty() { "mon_groups".to_owned() } else { format!("{control}/mon_groups") };
        match subdirectories(root, &below) {
            Ok(names) => {
                places.extend(names.into_iter().map(|monitoring| Place { control: control.clone(), monitoring }));
            }
            // A control group that went, or one of a locked cache region, which has none.
            Err(Errno::NOENT | Errno::NODEV) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(places)
}

/// A domain of the L3 cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain {
    /// Its id, as the kernel lists it: not always 0..n.
    pub id: u32,
    /// Its directory in each group.
    pub path: String,
}

/// The domains that have counters, by id. With sub-NUMA clusters the directory of a domain has others in it, of which its own
/// files are the sums.
pub(super) fn domains(root: &OwnedFd) -> Result<Vec<Domain>, Errno> {
    let mut domains: Vec<Domain> = subdirectories(root, "mon_data")?
        .into_iter()
        .filter_map(|name| {
            let id = u32::try_from(number(name.strip_prefix("mon_L3_")?.as_bytes())?).ok()?;
            Some(Domain { id, path: format!("mon_data/{name}") })
        })
        .collect();
    domains.sort_by_key(|domain| domain.id);
    Ok(domains)
}

/// Adds the threads of a group to `ids`. The kernel writes the file as one record.
pub(super) fn threads(dir: impl AsFd, path: &str, buffer: &mut Vec<u8>, ids: &mut Vec<u32>) -> Result<(), Errno> {
    let count = reread(open_below(dir, path)?, buffer)?;
    let found = lines(&buffer[..count]).filter(|line| !line.is_empty());
    for id in found.map(|line| u32::try_from(number(line)?).ok()) {
        ids.push(id.ok_or(Errno::BADMSG)?);
    }
    Ok(())
}

/// Who is where, of all threads that are not in the root control group alone.
#[derive(Default)]
pub(super) struct Whereabouts {
    /// Thread and control group, as an index into the groups.
    controls: Vec<(u32, usize)>,
    /// Thread and monitoring group.
    monitorings: Vec<(u32, usize)>,
}

impl Whereabouts {
    /// Asks all control groups, and those monitoring groups that `is_asked` names. Groups that go meanwhile have nobody.
    pub(super) fn find(
        root: &OwnedFd,
        groups: &[Place],
        is_asked: impl Fn(&Place) -> bool,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, Errno> {
        let mut found = Self::default();
        let mut ids = Vec::new();
        for (index, place) in groups.iter().enumerate() {
            let into = match place.monitoring.as_str() {
                "" => &mut found.controls,
                _ if is_asked(place) => &mut found.monitorings,
                _ => continue,
            };
            ids.clear();
            match threads(root, &format!("{}/tasks", place.path()), buffer, &mut ids) {
                Ok(()) => into.extend(ids.iter().map(|id| (*id, index))),
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(error) => return Err(error),
            }
        }
        found.controls.sort_unstable();
        found.monitorings.sort_unstable();
        Ok(found)
    }

    /// The control group of a thread; none for the root one.
    pub(super) fn control(&self, thread: u32) -> Option<usize> {
        look_up(&self.controls, thread)
    }

    /// The monitoring group of a thread, if it is one of those that were asked.
    pub(super) fn monitoring(&self, thread: u32) -> Option<usize> {
        look_up(&self.monitorings, thread)
    }

    /// The threads of a group, in order.
    pub(super) fn of(&self, group: usize) -> impl Iterator<Item = u32> {
        let all = self.controls.iter().chain(&self.monitorings);
        all.filter(move |(_, at)| *at == group).map(|(thread, _)| *thread)
    }
}

fn look_up(sorted: &[(u32, usize)], thread: u32) -> Option<usize> {
    let at = sorted.binary_search_by_key(&thread, |(id, _)| *id).ok()?;
    Some(sorted[at].1)
}

/// Names of the directories in one, in order; those that are no UTF-8 are left out.
fn subdirectories(root: &OwnedFd, path: &str) -> Result<Vec<String>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(root, path, flags, Mode::empty())?;
    let mut space = [MaybeUninit::uninit(); 4_096];
    let mut entries = RawDir::new(&dir, &mut space);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let is_directory = |name: &str| {
            statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
        };
        if may_be_directory(&entry) && (entry.file_type() == FileType::Directory || is_directory(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
