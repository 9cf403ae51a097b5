//! Counters of tasks as a family of metrics.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::Instant;

use perf_event_open_sys::bindings::{PERF_COUNT_SW_DUMMY, PERF_TYPE_SOFTWARE};
use rustix::io::Errno;

use crate::cgroup::leaves::leaves;
use crate::cgroup::{Hierarchies, Version, relative_cgroup_path};
use crate::family::{Family, FamilyMetric, Moment};
use crate::limits::counters_share;
use crate::perf::chosen::chosen;
use crate::perf::columns::Columns;
use crate::perf::event::{Encoding, Event};
use crate::perf::group::Group;
use crate::perf::hierarchy::CountedHierarchy;
use crate::perf::layout::{Layout, Room};
use crate::perf::machine::{has_threads, has_watchdog, processor};
use crate::perf::microarchitecture::Microarchitecture;
use crate::perf::missing::MissingOn;
use crate::perf::online::Online;
use crate::perf::retry::Retry;
use crate::perf::row::Row;
use crate::perf::starved::Starved;
use crate::perf::sys::{Place, open};
use crate::perf::trouble;
use crate::perf::wanted::PerfWanted;
use crate::perf::window::{PerfWindow, Turn, Window};
use crate::{Notice, Roots, TaskCgroups, Wanted};

/// Counts events of tasks.
///
/// A task is counted with all cgroups below its own, so a pod needs no counters for each container. Descriptors are one for
/// each event, task and processor.
pub(crate) struct TaskCounters {
    events: Vec<Event>,
    encodings: Vec<Encoding>,
    room: Room,
    /// How events are divided; none before a task was there to ask the kernel with.
    layout: Option<Layout>,
    /// When events that could not be counted are tried again.
    retry: Retry,
    /// The hierarchy in which cgroups are counted.
    hierarchy: Option<CountedHierarchy>,
    online: Online,
    rows: Vec<Row>,
    window: Window,
    window_wanted: PerfWindow,
    /// Most descriptors that the operator lets them take.
    descriptors: Option<u64>,
    starved: Starved,
    columns: Columns,
    has_new_rows: bool,
    /// Whether the operator named the events.
    is_named: bool,
    /// What is to be said at the next reading, or, of events that nobody named, when there are tasks.
    notices: Vec<Notice>,
}

impl TaskCounters {
    /// Counters of nothing yet; none where no event is wanted.
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies, wanted: &PerfWanted) -> Option<Self> {
        if wanted.events.is_empty() {
            return None;
        }
        let cpuinfo = processor(roots);
        let mut notices = Vec::new();
        let events = named(&wanted.events, &cpuinfo, &mut notices);
        let hierarchy = CountedHierarchy::find(hierarchies).map_err(|notice| notices.push(notice)).ok();
        let encodings: Vec<Encoding> = events.iter().map(|event| event.encoding).collect();
        Some(Self {
            columns: Columns::new(&encodings, wanted.per_cpu, wanted.derived),
            encodings,
            events,
            room: Room::of(&cpuinfo, has_threads(roots), has_watchdog(roots)),
            layout: None,
            retry: Retry::default(),
            hierarchy,
            online: Online::new(roots),
            rows: Vec::new(),
            window: Window::New,
            window_wanted: wanted.window,
            descriptors: wanted.descriptors,
            starved: Starved::default(),
            has_new_rows: false,
            is_named: wanted.is_named,
            notices,
        })
    }

    /// Asks the kernel with the first task that is there how events can be counted; true where the answer is another than
    /// before.
    fn find_layout(&mut self, moment: &mut Moment<'_>) -> bool {
        let Some(cpu) = self.online.cpus.first().copied() else { return false };
        let Some(hierarchy) = &self.hierarchy else { return false };
        if self.rows.is_empty() || !self.retry.is_due() {
            return false;
        }
        self.retry.later();
        let mut paths = self.rows.iter().filter_map(|row| row.cgroup.as_deref());
        let Some((path, dir)) = paths.find_map(|path| Some((path, hierarchy.open(path).ok()?))) else {
            self.say_no_cgroup(moment);
            return false;
        };
        let place = Place { cgroup: Some(dir.as_fd()), cpu };
        let probed = Layout::probe(&self.encodings, self.room, |group| {
            Group::open(group, &self.encodings, place, false).map(drop)
        });
        let Ok(layout) = probed else {
            if moment.said.first("perf descriptors") {
                moment.notices.push(Notice::CountersShort { counted: 0 });
            }
            return false;
        };
        let dummy = Encoding { kind: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_DUMMY.into(), ..Encoding::default() };
        if layout.groups.is_empty() && open(dummy, place, None).err() == Some(Errno::NOENT) {
            // What can always be counted cannot be for this cgroup: either it is gone by now, or counters know of none yet.
            let is_there = hierarchy.open(path).is_ok();
            if is_there && hierarchy.version == Version::V2 && moment.said.first("perf css") {
                moment.notices.push(trouble::not_handed_down(&hierarchy.path));
            }
            return false;
        }
        self.say_lost(&layout, moment);
        if layout.lost.is_empty() {
            self.retry.done();
        }
        // Groups may have been divided since: what matters is which events there are.
        let is_new = self.layout.as_ref().is_none_or(|known| known.files() != layout.files());
        if is_new {
            self.set_layout(layout);
        }
        is_new
    }

    /// Says which events cannot be counted: each of those that the operator named, and the others together.
    fn say_lost(&self, layout: &Layout, moment: &mut Moment<'_>) {
        let mut by_error: Vec<(Errno, Vec<&str>)> = Vec::new();
        for (event, error) in &layout.lost {
            let metric = self.events[*event].metric.as_str();
            if !moment.said.first(("perf event", metric, error.raw_os_error())) {
                continue;
            }
            match by_error.iter_mut().find(|(known, _)| !self.is_named && known == error) {
                Some((_, metrics)) => metrics.push(metric),
                None => by_error.push((*error, vec![metric])),
            }
        }
        moment.notices.extend(by_error.into_iter().map(|(error, metrics)| trouble::event(&metrics.join(", "), error)));
    }

    fn say_no_cgroup(&self, moment: &mut Moment<'_>) {
        let Some(hierarchy) = &self.hierarchy else { return };
        let Some(path) = self.rows.iter().find_map(|row| row.cgroup.as_deref()) else { return };
        let Err(error) = hierarchy.open(path) else { return };
        say_not_opened(hierarchy, path, error, self.retry, moment);
    }

    /// Counts by this layout from now on: counters that are open are closed and opened anew.
    fn set_layout(&mut self, layout: Layout) {
        self.starved = Starved::new(layout.groups.len());
        self.layout = Some(layout);
        for row in &mut self.rows {
            row.close();
            row.retry.at_once();
        }
    }

    /// Decides which tasks are counted. Counters of the others are closed.
    fn choose(&mut self, moment: &mut Moment<'_>) {
        let Some(layout) = &self.layout else { return };
        let paths: Vec<&str> = self.rows.iter().map(|row| row.cgroup.as_deref().unwrap_or_default()).collect();
        let is_candidate: Vec<bool> =
            leaves(&paths).into_iter().zip(&self.rows).map(|(is_leaf, row)| is_leaf && row.cgroup.is_some()).collect();
        let is_counted: Vec<bool> = self.rows.iter().map(|row| row.is_counted).collect();
        let files = layout.files() * self.online.cpus.len();
        let descriptors = counters_share(moment.allowance.left, self.descriptors);
        let room = descriptors.checked_div(files).unwrap_or(usize::MAX);
        let wanted = is_candidate.iter().filter(|candidate| **candidate).count();
        if wanted > room && moment.said.first("perf budget") {
            moment.notices.push(Notice::TasksNotCounted { counted: room, left_out: wanted - room, descriptors });
        }
        for (row, is_chosen) in self.rows.iter_mut().zip(chosen(&is_candidate, &is_counted, room)) {
            if is_chosen && !row.is_counted {
                row.retry.at_once();
            } else if !is_chosen {
                row.close();
                row.retry.done();
            }
            row.is_counted = is_chosen;
        }
    }

    /// Opens the counters of tasks that lack some, where it is time to try.
    fn open_missing(&mut self, moment: &mut Moment<'_>) {
        let Self { rows, layout: Some(layout), hierarchy: Some(hierarchy), .. } = self else { return };
        let files = layout.files() * self.online.cpus.len();
        let mut open: usize = rows.iter().map(Row::descriptors).sum();
        let mut counted = 0;
        for row in rows {
            if !row.is_counted || !row.retry.is_due() {
                counted += usize::from(row.is_open());
                continue;
            }
            let before = row.descriptors();
            if open + files.saturating_sub(before) > moment.allowance.granted {
                // Files of cgroups make room for it before the next reading.
                row.retry.at_once();
                continue;
            }
            let path = row.cgroup.as_deref().unwrap_or_default();
            let dir = match hierarchy.open(path) {
                Ok(dir) => dir,
                Err(error) => {
                    row.retry.later();
                    say_not_opened(hierarchy, path, error, row.retry, moment);
                    continue;
                }
            };
            let mut missing = MissingOn::default();
            let opened = row
                .open(dir.as_fd(), &layout.groups, &self.encodings, self.window.is_on(), &mut |one| missing.add(one));
            // Of a cgroup that went meanwhile the kernel says the same as of an event that it does not have.
            if hierarchy.open(row.cgroup.as_deref().unwrap_or_default()).is_ok() {
                missing.say(&self.events, moment);
            }
            open = open - before + row.descriptors();
            match opened {
                Ok(true) => row.retry.done(),
                Ok(false) => row.retry.later(),
                Err(_) => {
                    row.retry.later();
                    if moment.said.first("perf descriptors") {
                        moment.notices.push(Notice::CountersShort { counted });
                    }
                    continue;
                }
            }
            counted += 1;
        }
    }

    /// Has all counters count, or stand still. One that cannot be told is closed and opened again in its right state.
    fn set_counting(&mut self, is_on: bool) {
        for row in &mut self.rows {
            if row.set_counting(is_on).is_err() {
                row.close();
                row.retry.at_once();
            }
        }
    }

    fn read_rows(&mut self, now: Instant, moment: &mut Moment<'_>) {
        for row in &mut self.rows {
            row.read(&mut |group, interval| self.starved.see(group, interval));
        }
        let Some(group) = self.starved.next(now) else { return };
        let Some(mut layout) = self.layout.take() else { return };
        if layout.halve(group) {
            self.set_layout(layout);
            self.open_missing(moment);
        } else {
            self.layout = Some(layout);
        }
    }
}

/// Says why a cgroup could not be opened, at the second try: one that is being removed is in some hierarchies for a moment
/// longer than in others.
fn say_not_opened(hierarchy: &CountedHierarchy, cgroup: &str, error: Errno, retry: Retry, moment: &mut Moment<'_>) {
    if !retry.is_again() {
        return;
    }
    let Some(notice) = hierarchy.trouble(cgroup, error) else { return };
    if moment.said.first(("perf cgroup", error.raw_os_error())) {
        moment.notices.push(notice);
    }
}

/// The events of these names, each once. What is none is said.
fn named(names: &[String], cpuinfo: &[u8], notices: &mut Vec<Notice>) -> Vec<Event> {
    let cpu = Microarchitecture::of(cpuinfo);
    let mut events: Vec<Event> = Vec::new();
    for name in names {
        match Event::named(name, cpu) {
            Ok(event) if events.iter().any(|known| known.metric == event.metric) => {}
            Ok(event) => events.push(event),
            Err(error) => notices.push(trouble::name(name, &error)),
        }
    }
    events
}

impl Family for TaskCounters {
    fn metrics(&self) -> Vec<FamilyMetric> {
        self.columns.metrics(&self.events, &self.online.cpus)
    }

    fn set_tasks(&mut self, tasks: &[TaskCgroups]) {
        let mut old: HashMap<_, _> =
            std::mem::take(&mut self.rows).into_iter().map(|row| ((row.key, row.cgroup.clone()), row)).collect();
        for task in tasks {
            let path = relative_cgroup_path(&task.cgroup).ok().map(str::to_owned);
            let row = old.remove(&(task.key, path.clone())).unwrap_or_else(|| {
                let mut row = Row::new(task.key, path, self.events.len());
                row.set_cpus(&self.online.cpus);
                row
            });
            self.rows.push(row);
        }
        self.has_new_rows = true;
        if self.layout.is_none() {
            self.retry.at_once();
        }
    }

    fn tune(&mut self, wanted: &Wanted) {
        self.window_wanted = wanted.perf.window;
        // Another budget has room for other tasks.
        self.has_new_rows |= self.descriptors != wanted.perf.descriptors;
        self.descriptors = wanted.perf.descriptors;
    }

    fn descriptors(&self, left: usize) -> usize {
        if self.hierarchy.is_none() {
            return 0;
        }
        let files = self.layout.as_ref().map_or(self.events.len(), Layout::files);
        let counted = self.rows.iter().filter(|row| row.cgroup.is_some()).count();
        let most = files.saturating_mul(self.online.cpus.len()).saturating_mul(counted);
        most.min(counters_share(left, self.descriptors))
    }

    fn read(&mut self, moment: &mut Moment<'_>) -> bool {
        if self.is_named || !self.rows.is_empty() {
            moment.notices.append(&mut self.notices);
        }
        let has_new_cpus = self.online.refresh(moment.buffer, moment.said, moment.notices);
        if has_new_cpus {
            for row in &mut self.rows {
                row.set_cpus(&self.online.cpus);
                if row.is_counted {
                    row.retry.at_once();
                }
            }
        }
        let has_new_layout = self.find_layout(moment);
        let has_new_rows = std::mem::take(&mut self.has_new_rows);
        if has_new_cpus || has_new_layout || has_new_rows {
            self.choose(moment);
        }
        let now = Instant::now();
        let counted = self.rows.iter().filter(|row| row.is_counted).count();
        let turn = self.window.turn(now, self.window_wanted.of(counted, self.online.cpus.len()));
        if turn == Turn::Begin {
            self.set_counting(true);
        }
        self.open_missing(moment);
        if turn != Turn::Rest {
            self.read_rows(now, moment);
        }
        if turn == Turn::End {
            self.set_counting(false);
        }
        // What was divided anew while it was read counts the same events.
        let has_new_series = if has_new_cpus || has_new_layout {
            let has_others = self.columns.lay_out(self.layout.as_ref(), self.online.cpus.len());
            has_others || has_new_cpus && self.columns.per_cpu
        } else {
            false
        };
        self.columns.fill(&mut self.rows, now, turn != Turn::Rest);
        has_new_series
    }

    fn columns(&self) -> &[f64] {
        &self.columns.values
    }

    fn platform(&self) -> &[f64] {
        &[]
    }
}
