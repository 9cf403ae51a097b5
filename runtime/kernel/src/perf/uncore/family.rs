//! Counters outside of cores as a family of metrics.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use wca_model::{MetricInfo, MetricKind};

use crate::family::{Family, FamilyMetric, Moment};
use crate::perf::event::Encoding;
use crate::perf::machine::processor;
use crate::perf::microarchitecture::Microarchitecture;
use crate::perf::online::Online;
use crate::perf::retry::Retry;
use crate::perf::trouble;
use crate::perf::uncore::bank::{Bank, Lost};
use crate::perf::uncore::derived::{Before, DERIVED, INPUTS, LATENCY, LATENCY_HELP, LATENCY_NEEDS, PerSecond, latency};
use crate::perf::uncore::event::UncoreEvent;
use crate::perf::uncore::pmu::{Pmu, names, pmus};
use crate::perf::uncore::table::GROUPS;
use crate::perf::wanted::{PerfWanted, UncoreWanted};
use crate::platform::cpus;
use crate::{Notice, Roots, TaskCgroups};

/// Counts events outside of cores.
pub(crate) struct UncoreCounters {
    roots: Roots,
    cpu: Microarchitecture,
    events: Vec<UncoreEvent>,
    /// Events that are counted together, by position.
    groups: Vec<Vec<usize>>,
    /// Whether the operator named the events, so that one that is missing is worth a word.
    is_named: bool,
    is_derived: bool,
    /// Where the inputs of what is computed stand among events.
    inputs: [Option<usize>; 9],
    online: Online,
    cells: Vec<Cell>,
    /// Sockets with all that the latency needs, in order.
    latency_sockets: Vec<u32>,
    retry: Retry,
    /// PMUs that there were when counters were last opened: a module that is loaded later brings others.
    known: Vec<String>,
    /// When it is looked for others, where some are missing.
    look: Retry,
    /// How many descriptors all counters take that there are to open.
    descriptors: usize,
    values: Vec<f64>,
    notices: Vec<Notice>,
}

/// A PMU of one socket: one bank, or several where a socket has several dies.
struct Cell {
    socket: u32,
    kind: u32,
    banks: Vec<Bank>,
    before: Before,
    per_second: PerSecond,
}

/// Name and help of the metric that says how far counts are scaled.
pub(crate) const SCALING: (&str, &str) = (
    "platform_scaling_uncore_factor",
    "What a count of the PMU's events stands for on average since the last reading: 1 where nobody else had its counters.",
);

impl UncoreCounters {
    /// Counters that are opened at the first reading; none where none are wanted.
    pub(crate) fn new(roots: &Roots, wanted: &PerfWanted) -> Option<Self> {
        let names: Vec<Vec<String>> = match &wanted.uncore {
            UncoreWanted::Off => return None,
            UncoreWanted::Groups(groups) => groups.clone(),
            UncoreWanted::Automatic | UncoreWanted::All => {
                GROUPS.iter().map(|group| group.iter().map(|name| (*name).to_owned()).collect()).collect()
            }
        };
        let cpu = Microarchitecture::of(&processor(roots));
        let (mut events, mut notices): (Vec<UncoreEvent>, Vec<Notice>) = (Vec::new(), Vec::new());
        let mut groups = Vec::new();
        for group in &names {
            let mut positions = Vec::new();
            for name in group {
                match UncoreEvent::named(name, cpu) {
                    Ok(event) if events.iter().any(|known| known.metric == event.metric) => {}
                    Ok(event) => {
                        positions.push(events.len());
                        events.push(event);
                    }
                    Err(error) => notices.push(trouble::name(name, &error)),
                }
            }
            groups.push(positions);
        }
        Some(Self {
            inputs: INPUTS.map(|input| events.iter().position(|event| event.metric == input)),
            roots: roots.clone(),
            cpu,
            events,
            groups,
            is_named: !matches!(wanted.uncore, UncoreWanted::Automatic),
            is_derived: wanted.derived,
            online: Online::new(roots),
            cells: Vec::new(),
            latency_sockets: Vec::new(),
            retry: Retry::default(),
            known: Vec::new(),
            look: Retry::default(),
            descriptors: 0,
            values: Vec::new(),
            notices,
        })
    }

    /// Opens all counters, in place of those that are open; what these counted is gone on from.
    fn open(&mut self, moment: &mut Moment<'_>) {
        let mut totals: HashMap<(u32, u32), Vec<Total>> = HashMap::new();
        let mut before: HashMap<(u32, u32), Before> = HashMap::new();
        for mut cell in self.cells.drain(..) {
            // What was counted since the last reading is part of the totals.
            cell.banks.iter_mut().for_each(|bank| _ = bank.read());
            before.insert((cell.socket, cell.kind), cell.before);
            let of_cell = totals.entry((cell.socket, cell.kind)).or_default();
            of_cell.extend(cell.banks.into_iter().map(|bank| (bank.cpu, bank.into_totals())));
        }
        self.known = names(&self.roots).unwrap_or_default();
        let (pmus, notices) = pmus(&self.roots);
        moment.notices.extend(notices.into_iter().filter(|notice| moment.said.first(notice)));
        let sockets: BTreeMap<u32, u32> =
            cpus(&self.roots, &[]).unwrap_or_default().iter().map(|cpu| (cpu.id, cpu.socket)).collect();
        let mut is_complete = true;
        let (mut descriptors, mut left) = (0, moment.allowance.granted);
        let mut found: BTreeMap<(String, u32, u32), Vec<Bank>> = BTreeMap::new();
        for pmu in &pmus {
            let events = self.encodings(pmu, moment);
            if events.iter().all(Option::is_none) {
                continue;
            }
            for cpu in pmu.cpus.iter().filter(|cpu| self.online.cpus.contains(cpu)) {
                let socket = sockets.get(cpu).copied().unwrap_or(0);
                let mut lost = Lost::default();
                let old = totals.get_mut(&(socket, pmu.kind)).and_then(|old| take_total(old, *cpu, &pmu.cpus));
                let bank = Bank::open(*cpu, &events, &self.groups, &mut left, old, &mut lost);
                descriptors += self.groups.iter().flatten().filter(|event| events[**event].is_some()).count();
                is_complete &= lost.events.is_empty() && !lost.is_starved;
                // What has not been claimed yet may be there the next time.
                lost.is_starved &= descriptors <= self.descriptors;
                self.say_lost(&lost, moment);
                if bank.is_open() {
                    found.entry((pmu.sort().to_owned(), socket, pmu.kind)).or_default().push(bank);
                }
            }
        }
        self.descriptors = descriptors;
        let missing = self.missing(&pmus);
        self.say_missing(&missing, moment);
        self.look.done();
        if !missing.is_empty() {
            self.look.later();
        }
        self.cells = found
            .into_iter()
            .map(|((_, socket, kind), banks)| Cell {
                socket,
                kind,
                banks,
                before: before.remove(&(socket, kind)).unwrap_or_default(),
                per_second: [f64::NAN; 9],
            })
            .collect();
        let with_latency = self.cells.iter().filter(|cell| self.has_inputs(cell, &LATENCY_NEEDS));
        self.latency_sockets = with_latency.map(|cell| cell.socket).collect::<BTreeSet<u32>>().into_iter().collect();
        if is_complete {
            self.retry.done();
        } else {
            self.retry.later();
        }
    }

    /// Whether it is time to look, and there are other PMUs than before.
    fn has_other_pmus(&mut self) -> bool {
        if !self.look.is_due() {
            return false;
        }
        self.look.later();
        names(&self.roots).is_ok_and(|names| names != self.known)
    }

    /// What each event is on a PMU; none where it is of another sort, or is not known for it.
    fn encodings(&self, pmu: &Pmu, moment: &mut Moment<'_>) -> Vec<Option<Encoding>> {
        let of = |event: &UncoreEvent| {
            if event.sort != pmu.sort() {
                return None;
            }
            let encoding = event.encoding(pmu, self.cpu);
            if let Err(error) = &encoding
                && self.is_named
                && moment.said.first(("uncore event", &event.metric))
            {
                moment.notices.push(trouble::name(&event.metric, error));
            }
            encoding.ok()
        };
        self.events.iter().map(of).collect()
    }

    fn say_lost(&self, lost: &Lost, moment: &mut Moment<'_>) {
        for (event, error) in &lost.events {
            let metric = &self.events[*event].metric;
            if moment.said.first(("uncore event", metric, error.raw_os_error())) {
                moment.notices.push(trouble::event(metric, *error));
            }
        }
        if lost.is_starved && moment.said.first("uncore descriptors") {
            moment.notices.push(trouble::no_descriptors("counters outside of cores"));
        }
    }

    /// Which sorts of PMUs are wanted and not there.
    fn missing(&self, pmus: &[Pmu]) -> BTreeSet<String> {
        let has = |sort: &str| pmus.iter().any(|pmu| pmu.sort() == sort);
        self.events.iter().map(|event| &event.sort).filter(|sort| !has(sort)).cloned().collect()
    }

    /// Says which PMUs are wanted and not there, once for each sort.
    fn say_missing(&self, missing: &BTreeSet<String>, moment: &mut Moment<'_>) {
        for sort in missing.iter().filter(|_| self.is_named) {
            if moment.said.first(("uncore pmu", sort)) {
                moment.notices.push(trouble::no_pmu(sort));
            }
        }
    }

    /// Whether an event is counted in a cell.
    fn has(cell: &Cell, event: usize) -> bool {
        cell.banks.iter().any(|bank| bank.has(event))
    }

    /// Whether all of these inputs are counted in a cell.
    fn has_inputs(&self, cell: &Cell, needs: &[usize]) -> bool {
        self.is_derived && needs.iter().all(|need| self.inputs[*need].is_some_and(|event| Self::has(cell, event)))
    }

    /// Writes the values in the order of the metrics.
    fn fill(&mut self) {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        for event in 0..self.events.len() {
            values.extend(self.cells.iter().filter(|cell| Self::has(cell, event)).map(|cell| cell.total(event)));
        }
        values.extend(self.cells.iter().map(Cell::scaling));
        for derived in &DERIVED {
            let cells = self.cells.iter().filter(|cell| self.has_inputs(cell, derived.needs));
            values.extend(cells.map(|cell| (derived.compute)(&cell.per_second)));
        }
        for socket in &self.latency_sockets {
            let cells = self.cells.iter().filter(|cell| cell.socket == *socket);
            let cells = cells.filter(|cell| self.has_inputs(cell, &LATENCY_NEEDS));
            let clock = self.inputs[LATENCY_NEEDS[0]];
            values.push(latency(cells.map(|cell| (&cell.per_second, clock.map_or(0, |clock| cell.count(clock))))));
        }
        self.values = values;
    }
}

impl Cell {
    /// How many banks count an event.
    fn count(&self, event: usize) -> usize {
        self.banks.iter().filter(|bank| bank.has(event)).count()
    }

    /// What was counted of an event, over all banks that count it.
    fn total(&self, event: usize) -> f64 {
        self.banks.iter().filter(|bank| bank.has(event)).map(|bank| bank.total(event)).sum()
    }

    /// What a count stood for on average since the last reading; NaN where nothing counted.
    fn scaling(&self) -> f64 {
        let means = || self.banks.iter().map(|bank| bank.scaling.mean()).filter(|mean| !mean.is_nan());
        let count = means().count();
        if count == 0 { f64::NAN } else { means().sum::<f64>() / count as f64 }
    }

    fn labels(&self) -> Vec<String> {
        vec![self.socket.to_string(), self.kind.to_string()]
    }
}

/// What was counted of each event through a processor.
type Total = (u32, Box<[f64]>);

/// What was counted through this processor of a socket; else through one by which the PMU is read no more, since the kernel
/// moves a PMU to another processor of its socket when its own goes offline.
fn take_total(old: &mut Vec<Total>, cpu: u32, cpus: &[u32]) -> Option<Box<[f64]>> {
    let same = old.iter().position(|(known, _)| *known == cpu);
    let at = same.or_else(|| old.iter().position(|(known, _)| !cpus.contains(known)))?;
    Some(old.swap_remove(at).1)
}

impl Family for UncoreCounters {
    fn metrics(&self) -> Vec<FamilyMetric> {
        let metric =
            |name: &str, help: String, kind, unit: &str, levels: &[&str], series: Vec<Vec<String>>| FamilyMetric {
                info: MetricInfo {
                    name: name.to_owned(),
                    help,
                    kind,
                    unit: unit.to_owned(),
                    levels: levels.iter().map(|level| (*level).to_owned()).collect(),
                    per_task: false,
                },
                series,
            };
        let both = &["socket", "pmu_type"];
        let mut metrics = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            let series = self.cells.iter().filter(|cell| Self::has(cell, at)).map(Cell::labels).collect();
            let help = format!("{} Scaled to the time in which others had the counters of {}.", event.help, event.sort);
            metrics.push(metric(&event.metric, help, event.kind, "numeric", both, series));
        }
        metrics.push(metric(
            SCALING.0,
            SCALING.1.to_owned(),
            MetricKind::Gauge,
            "numeric",
            both,
            self.cells.iter().map(Cell::labels).collect(),
        ));
        for derived in &DERIVED {
            let cells = self.cells.iter().filter(|cell| self.has_inputs(cell, derived.needs));
            let (help, series) = (derived.help.to_owned(), cells.map(Cell::labels).collect());
            metrics.push(metric(derived.name, help, MetricKind::Gauge, derived.unit, both, series));
        }
        let sockets = self.latency_sockets.iter().map(|socket| vec![socket.to_string()]).collect();
        metrics.push(metric(LATENCY, LATENCY_HELP.to_owned(), MetricKind::Gauge, "seconds", &["socket"], sockets));
        metrics
    }

    fn set_tasks(&mut self, _: &[TaskCgroups]) {}

    fn descriptors(&self, left: usize) -> usize {
        self.descriptors.min(left)
    }

    fn read(&mut self, moment: &mut Moment<'_>) -> bool {
        moment.notices.append(&mut self.notices);
        let has_new_cpus = self.online.refresh(moment.buffer, moment.said, moment.notices);
        let is_opened = has_new_cpus | self.retry.is_due() | self.has_other_pmus();
        if is_opened {
            self.open(moment);
        }
        let now = Instant::now();
        let mut is_complete = true;
        for cell in &mut self.cells {
            for bank in &mut cell.banks {
                is_complete &= bank.read();
            }
            let totals = self.inputs.map(|input| match input {
                Some(event) if Self::has(cell, event) => cell.total(event),
                _ => f64::NAN,
            });
            cell.per_second = cell.before.step(now, totals);
        }
        if !is_complete {
            self.retry.later();
        }
        self.fill();
        is_opened || !is_complete
    }

    fn columns(&self) -> &[f64] {
        &[]
    }

    fn platform(&self) -> &[f64] {
        &self.values
    }
}
