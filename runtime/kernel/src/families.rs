//! All that is read in another way than line by line from files with a number for each metric.

use crate::cgroup::Hierarchies;
use crate::family::{Family, FamilyMetric, Moment};
use crate::features::Features;
use crate::limits::Allowance;
use crate::perf::{TaskCounters, UncoreCounters};
use crate::resctrl::Monitoring;
use crate::sched::Sched;
use crate::working_set::WorkingSets;
use crate::{Lines, Notice, PerfWanted, Roots, Said, TaskCgroups, Wanted};

/// The families that are wanted and that this machine can have, in the order of their values.
pub(crate) struct Families {
    roots: Roots,
    hierarchies: Hierarchies,
    all: Vec<(Kind, Box<dyn Family>)>,
    /// Bytes of memory traffic of each task, for families that need it of another one.
    traffic: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TaskCounters,
    UncoreCounters,
    Monitoring,
    Sched,
    WorkingSets,
    Features,
}

/// In the order in which they are read: working sets behind the one that knows of memory traffic.
const KINDS: [Kind; 6] =
    [Kind::TaskCounters, Kind::UncoreCounters, Kind::Monitoring, Kind::Sched, Kind::WorkingSets, Kind::Features];

impl Families {
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies, wanted: &Wanted) -> Self {
        let (roots, hierarchies) = (roots.clone(), hierarchies.clone());
        let mut families = Self { roots, hierarchies, all: Vec::new(), traffic: Vec::new() };
        for kind in KINDS {
            families.all.extend(families.make(kind, wanted).map(|family| (kind, family)));
        }
        families
    }

    /// Makes anew those of which something else is wanted now. The others go on with what they have counted.
    pub(crate) fn want(&mut self, before: &Wanted, wanted: &Wanted, tasks: &[TaskCgroups]) {
        for (place, kind) in KINDS.into_iter().enumerate() {
            if kind.is_same(before, wanted) {
                self.all.iter_mut().filter(|(known, _)| *known == kind).for_each(|(_, family)| family.tune(wanted));
                continue;
            }
            // What it holds of the machine is free before another one asks for it.
            self.all.retain(|(known, _)| *known != kind);
            let Some(mut family) = self.make(kind, wanted) else { continue };
            family.set_tasks(tasks);
            let at = self.all.iter().take_while(|(known, _)| KINDS[..place].contains(known)).count();
            self.all.insert(at, (kind, family));
        }
    }

    fn make(&self, kind: Kind, wanted: &Wanted) -> Option<Box<dyn Family>> {
        let Self { roots, hierarchies, .. } = self;
        match kind {
            Kind::TaskCounters => boxed(TaskCounters::new(roots, hierarchies, &wanted.perf)),
            Kind::UncoreCounters => boxed(UncoreCounters::new(roots, &wanted.perf)),
            Kind::Monitoring => boxed(Monitoring::new(roots, hierarchies, wanted.rdt_enabled)),
            Kind::Sched if wanted.sched == Lines::Nothing => None,
            Kind::Sched => boxed(Some(Sched::new(roots, hierarchies, wanted.sched.clone()))),
            Kind::WorkingSets => {
                boxed(wanted.working_set.as_ref().map(|wanted| WorkingSets::new(roots, hierarchies, wanted)))
            }
            Kind::Features => boxed(Some(Features::new(roots))),
        }
    }

    /// The tasks are these from now on, one row each.
    pub(crate) fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        for (_, family) in &mut self.all {
            family.set_tasks(tasks);
        }
    }

    /// The machine is another one than before; true where the series are not those of the last time.
    pub(crate) fn machine_changed(&mut self) -> bool {
        self.all.iter_mut().fold(false, |changed, (_, family)| family.machine_changed() | changed)
    }

    /// How many of `most` descriptors they keep open, or are going to with the tasks that they have.
    pub(crate) fn descriptors(&self, most: usize) -> usize {
        most - self.left(most, self.all.len())
    }

    /// How many of `most` descriptors the first `count` families leave.
    fn left(&self, most: usize, count: usize) -> usize {
        let families = self.all.iter().take(count);
        families.fold(most, |left, (_, family)| left - family.descriptors(left).min(left))
    }

    /// What a family may have open of `most` descriptors, of which `taken` are no family's.
    fn allowance(&self, most: usize, taken: usize, at: usize) -> Allowance {
        let left = self.left(most, at);
        let own = left - self.left(most, at + 1);
        let others = self.descriptors(most) - own;
        Allowance { left, granted: most.saturating_sub(others + taken) }
    }

    /// Reads all values; true where the series are not those of the last time. Readers of values may have `most` descriptors,
    /// of which `taken` are no family's.
    pub(crate) fn read(
        &mut self,
        (most, taken): (usize, usize),
        buffer: &mut Vec<u8>,
        said: &mut Said,
        notices: &mut Vec<Notice>,
    ) -> bool {
        self.traffic.clear();
        let mut has_changed = false;
        for at in 0..self.all.len() {
            let allowance = self.allowance(most, taken, at);
            let Self { all, traffic, .. } = self;
            let family = &mut all[at].1;
            has_changed |= family.read(&mut Moment { buffer, traffic, allowance, said, notices });
            traffic.extend_from_slice(family.traffic());
        }
        has_changed
    }

    /// What is measured, in the order of the values.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = FamilyMetric> {
        self.all.iter().flat_map(|(_, family)| family.metrics())
    }

    /// Values of tasks, column by column.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &f64> {
        self.all.iter().flat_map(|(_, family)| family.columns())
    }

    /// Values of the machine, one per series.
    pub(crate) fn platform(&self) -> impl Iterator<Item = &f64> {
        self.all.iter().flat_map(|(_, family)| family.platform())
    }
}

impl Kind {
    /// Whether the same is wanted of it as before, but for what [`Family::tune`] takes over.
    fn is_same(self, before: &Wanted, now: &Wanted) -> bool {
        match self {
            Self::TaskCounters => {
                let of = |wanted: &Wanted| {
                    let PerfWanted { events, is_named, per_cpu, derived, .. } = wanted.perf.clone();
                    (events, is_named, per_cpu, derived)
                };
                of(before) == of(now)
            }
            Self::UncoreCounters => (&before.perf.uncore, before.perf.derived) == (&now.perf.uncore, now.perf.derived),
            Self::Monitoring => before.rdt_enabled == now.rdt_enabled,
            Self::Sched => before.sched == now.sched,
            Self::WorkingSets => before.working_set == now.working_set,
            Self::Features => true,
        }
    }
}

fn boxed(family: Option<impl Family + 'static>) -> Option<Box<dyn Family>> {
    family.map(|family| Box::new(family) as Box<dyn Family>)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::wanted::WorkingSet;
    use crate::{PerfWindow, UncoreWanted};

    fn kinds(families: &Families) -> Vec<Kind> {
        families.all.iter().map(|(kind, _)| *kind).collect()
    }

    /// Addresses tell whether a family is the one of before.
    fn address(families: &Families, kind: Kind) -> Option<*const u8> {
        let found = families.all.iter().find(|(known, _)| *known == kind);
        found.map(|(_, family)| std::ptr::from_ref(&**family).cast())
    }

    fn counted(change: impl FnOnce(&mut PerfWanted)) -> Wanted {
        let events = vec!["page_faults".to_owned()];
        let mut perf = PerfWanted { events, uncore: UncoreWanted::All, ..PerfWanted::default() };
        change(&mut perf);
        Wanted { perf, ..Wanted::default() }
    }

    /// A window, a budget and what the others count are no reason to lose what was counted.
    #[rstest]
    #[case::window(
        |perf: &mut PerfWanted| perf.window = PerfWindow::Part { counted: Duration::from_secs(1), every: Duration::from_secs(9) },
        (true, true)
    )]
    #[case::budget(|perf: &mut PerfWanted| perf.descriptors = Some(7), (true, true))]
    #[case::events(|perf: &mut PerfWanted| perf.events.push("context_switches".into()), (false, true))]
    #[case::named(|perf: &mut PerfWanted| perf.is_named = true, (false, true))]
    #[case::per_cpu(|perf: &mut PerfWanted| perf.per_cpu = true, (false, true))]
    #[case::uncore(|perf: &mut PerfWanted| perf.uncore = UncoreWanted::Automatic, (true, false))]
    #[case::derived(|perf: &mut PerfWanted| perf.derived = true, (false, false))]
    fn each_sort_of_counters_goes_on_unless_something_else_is_wanted_of_it(
        #[case] change: fn(&mut PerfWanted),
        #[case] (task_counters, uncore_counters): (bool, bool),
    ) {
        let (before, now) = (counted(|_| {}), counted(change));
        assert_ne!(before, now);
        assert_eq!(Kind::TaskCounters.is_same(&before, &now), task_counters);
        assert_eq!(Kind::UncoreCounters.is_same(&before, &now), uncore_counters);
    }

    #[test]
    fn only_those_of_which_something_else_is_wanted_are_made_anew_and_the_order_stands() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::at(folder.path());
        let least = Wanted { sched: Lines::All, ..Wanted::default() };
        let mut families = Families::new(&roots, &Hierarchies::default(), &least);
        let before = kinds(&families);
        assert!(before.ends_with(&[Kind::Sched, Kind::Features]), "{before:?}");
        let (sched, features) = (address(&families, Kind::Sched), address(&families, Kind::Features));
        let working_set = Some(WorkingSet { reset_cycles: 1, stable_cycles: 0, membw_threshold: None });
        let most = Wanted { working_set, ..least.clone() };
        families.want(&least, &most, &[]);
        assert!(kinds(&families).ends_with(&[Kind::Sched, Kind::WorkingSets, Kind::Features]));
        assert_eq!((address(&families, Kind::Sched), address(&families, Kind::Features)), (sched, features));
        families.want(&most, &Wanted { rdt_enabled: Some(false), sched: Lines::Nothing, ..least }, &[]);
        let expected: Vec<Kind> =
            before.into_iter().filter(|kind| !matches!(kind, Kind::Sched | Kind::Monitoring)).collect();
        assert_eq!(kinds(&families), expected);
    }
}
