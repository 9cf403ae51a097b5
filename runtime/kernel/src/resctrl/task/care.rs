//! Putting the threads of a task into groups.

use rustix::io::Errno;

use super::{Task, is_part, without};
use crate::KernelError;
use crate::cgroup::processes::sort_once;
use crate::resctrl::group::{Group, Writer};
use crate::resctrl::layout::Place;
use crate::resctrl::means::{Means, Scene, Why};

/// How often threads that came while others were written are looked for, before those of the next tick are waited for.
const ROUNDS: usize = 8;

impl Task {
    /// Puts its threads into groups. To be called under the lock.
    ///
    /// # Errors
    /// The threads cannot be listed.
    pub(in crate::resctrl) fn care(&mut self, means: &mut Means<'_>, scene: &mut Scene) -> Result<(), KernelError> {
        let (mut why, mut is_stale) = (None, false);
        let mut before = Vec::new();
        for _ in 0..ROUNDS {
            self.list(means)?;
            self.leave_shared(means);
            if let Err(reason) = self.members(means) {
                why = Some(reason);
                break;
            }
            let missing: Vec<u32> = without(means.threads, means.members).collect();
            if missing.is_empty() {
                (why, is_stale) = (None, false);
                break;
            }
            (why, is_stale) = self.place(&missing, means, scene);
            if is_stale {
                // A thread went to another control group since that was looked at.
                if let Err(error) = scene.renew(means.root, means.buffer) {
                    why = Some(Why::Refused(error));
                }
            } else if why.is_some() || missing == before {
                // Those that stay out have ended and are still listed.
                break;
            }
            before = missing;
        }
        // Wherever it was looked for, it was elsewhere.
        if is_stale && why.is_none() {
            why = Some(Why::Refused(Errno::INVAL));
        }
        self.give_up_empty(means, scene);
        self.expel(means)?;
        match why {
            Some(_) => self.pause.lengthen(),
            None => self.pause.end(),
        }
        self.why = why;
        self.known.clone_from(means.threads);
        Ok(())
    }

    /// Drops groups of others that others have come into.
    fn leave_shared(&mut self, means: &mut Means<'_>) {
        self.groups.retain(|group| {
            means.members.clear();
            group.is_ours
                || group.threads(means.buffer, means.members).is_ok() && {
                    sort_once(means.members);
                    is_part(means.members, means.threads)
                }
        });
    }

    /// Puts threads into groups, or takes groups that they are in; what could not be done, and whether what is known of the
    /// groups is out of date.
    fn place(&mut self, missing: &[u32], means: &mut Means<'_>, scene: &mut Scene) -> (Option<Why>, bool) {
        let (mut why, mut is_stale) = (None, false);
        let mut theirs: Vec<usize> =
            missing.iter().filter_map(|thread| scene.whereabouts.monitoring(*thread)).collect();
        theirs.sort_unstable();
        theirs.dedup();
        for at in theirs {
            if let Err(reason) = self.take_theirs(at, means, scene) {
                why = Some(reason);
            }
        }
        let free = |thread: &&u32| scene.whereabouts.monitoring(**thread).is_none();
        let placed: Vec<(String, u32)> =
            missing.iter().filter(free).map(|thread| (scene.control_of(*thread).to_owned(), *thread)).collect();
        let mut controls: Vec<&str> = placed.iter().map(|(control, _)| control.as_str()).collect();
        controls.sort_unstable();
        controls.dedup();
        for control in controls {
            let writer = match self.group_in(control, means, scene) {
                Ok(Some(at)) => self.groups[at].writer().map_err(reason),
                // All of the control group is the task's, and read as it is.
                Ok(None) => continue,
                Err(reason) => Err(reason),
            };
            let writer = match writer {
                Ok(writer) => writer,
                Err(reason) => {
                    why = Some(reason);
                    continue;
                }
            };
            for (_, thread) in placed.iter().filter(|(of, _)| of == control) {
                match writer.add(*thread) {
                    // One that has ended costs nothing.
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(Errno::INVAL) => is_stale = true,
                    Err(Errno::NODEV | Errno::NOENT) => {
                        is_stale = true;
                        break;
                    }
                    Err(error) => why = Some(reason(error)),
                }
            }
        }
        (why, is_stale)
    }

    /// Reads somebody else's group from now on, if only threads of this task are in it.
    fn take_theirs(&mut self, at: usize, means: &mut Means<'_>, scene: &Scene) -> Result<(), Why> {
        if !scene.whereabouts.of(at).all(|thread| means.threads.binary_search(&thread).is_ok()) {
            return Err(Why::Shared);
        }
        let place = scene.groups[at].clone();
        // The counters of a control group are sums that have those of its monitoring groups in them.
        if place.monitoring.is_empty() {
            self.groups.retain(|group| group.place.control != place.control);
        }
        self.groups.push(Group::open(means.root, place).map_err(reason)?);
        Ok(())
    }

    /// Its group in a control group, made or moved there if need be; none where the control group itself is read.
    fn group_in(&mut self, control: &str, means: &mut Means<'_>, scene: &mut Scene) -> Result<Option<usize>, Why> {
        let is_there = |group: &Group| group.is_ours && group.place.control == control;
        if let Some(at) = self.groups.iter().position(is_there) {
            return Ok(Some(at));
        }
        if let Some(at) = self.empty_group(means) {
            let group = &mut self.groups[at];
            scene.ours.remove(&group.place);
            if group.move_to(means.root, control).is_ok() {
                scene.ours.insert(group.place.clone());
                return Ok(Some(at));
            }
            // A kernel that cannot rename it (before 6.5): counting begins anew.
            let group = self.groups.swap_remove(at);
            group.remove(means.root).map_err(reason)?;
        }
        if !means.may_make {
            return Err(Why::NoId);
        }
        let monitoring = self.name(means.hierarchies).unwrap_or_default().to_owned();
        if monitoring.is_empty() {
            return Err(Why::Refused(Errno::NOENT));
        }
        let place = Place { control: control.to_owned(), monitoring };
        let made = match Group::make(means.root, place.clone()) {
            Err(Errno::EXIST) => Group::open(means.root, place.clone()).and_then(|mut group| {
                // Of a process that lives, and measures the same task.
                if group.own() { Ok(group) } else { Err(Errno::EXIST) }
            }),
            made => made,
        };
        match made {
            Ok(group) => {
                scene.ours.insert(place);
                self.groups.push(group);
                Ok(Some(self.groups.len() - 1))
            }
            Err(Errno::NOSPC | Errno::BUSY) => {
                means.may_make = false;
                means.pause.lengthen();
                Err(Why::NoId)
            }
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) if !control.is_empty() => {
                let at = scene.groups.iter().position(|one| one.control == control && one.monitoring.is_empty());
                at.map_or(Err(Why::ReadOnly), |at| self.take_theirs(at, means, scene)).map_err(|_| Why::ReadOnly)?;
                Ok(None)
            }
            Err(error) => Err(reason(error)),
        }
    }

    /// A group of ours without a thread.
    fn empty_group(&self, means: &mut Means<'_>) -> Option<usize> {
        self.groups.iter().position(|group| group.is_ours && is_empty(group, means))
    }

    /// Removes groups of ours without a thread where there are others: their control groups have lost the task.
    fn give_up_empty(&mut self, means: &mut Means<'_>, scene: &mut Scene) {
        while self.groups.len() > 1
            && let Some(at) = self.empty_group(means)
        {
            let group = self.groups.swap_remove(at);
            if group.remove(means.root).is_ok() {
                scene.ours.remove(&group.place);
                means.was_freed();
            }
            self.has_fallen = true;
        }
    }

    /// Sends threads that are not the task's any more out of its groups of ours, into no group but the control group in
    /// which they are.
    fn expel(&mut self, means: &mut Means<'_>) -> Result<(), KernelError> {
        for group in self.groups.iter().filter(|group| group.is_ours) {
            means.members.clear();
            if group.threads(means.buffer, means.members).is_err() {
                continue;
            }
            sort_once(means.members);
            if is_part(means.members, means.threads) {
                continue;
            }
            // Threads that were born meanwhile are the task's.
            self.list(means)?;
            let control = Place { control: group.place.control.clone(), monitoring: String::new() };
            let Ok(writer) = Writer::open(means.root, &format!("{}/tasks", control.path())) else { continue };
            for thread in without(means.members, means.threads) {
                // One that has ended, or may not be written, is looked at again with the others.
                let _ = writer.add(thread);
            }
        }
        Ok(())
    }
}

fn is_empty(group: &Group, means: &mut Means<'_>) -> bool {
    means.members.clear();
    group.threads(means.buffer, means.members).is_ok() && means.members.is_empty()
}

fn reason(error: Errno) -> Why {
    match error {
        Errno::ROFS | Errno::ACCESS | Errno::PERM => Why::ReadOnly,
        Errno::EXIST => Why::Shared,
        error => Why::Refused(error),
    }
}
