//! What is kept from call to call, and the one straight line of a call.

use std::collections::BTreeMap;

use wca_guest::types::Key;
use wca_guest::{log, now};

use crate::controller::{Controller, Step};
use crate::ladder::Ladder;
use crate::policy::{Config, Lever};
use crate::requests::{News, Requests};
use crate::roster::{Change, RESOURCES, Roster};
use crate::signal::{self, Signal};
use crate::tell::{self, Counts};
use crate::view::View;

/// How many times longer than at first nothing is squeezed after somebody has taken squeezes back, at most.
const LONGEST_REST: u32 = 32;

/// Everything.
#[derive(Default)]
pub(crate) struct State {
    tick: u64,
    roster: Roster,
    signal: Signal,
    controller: Controller,
    ladder: Ladder,
    requests: Requests,
    counts: Counts,
    /// Columns of the pressures, and the version of the series for which they hold.
    columns: Option<(u64, [Option<usize>; 3])>,
    /// Times that squeezes were taken back since they last stayed.
    reverted: u32,
}

impl State {
    /// One tick.
    pub(crate) fn call(&mut self, config: &Config) -> Result<(), String> {
        self.tick += 1;
        let change = self.roster.update(config, now::roster_changes());
        if self.tick == 1 {
            self.ladder = Ladder::new(config);
        }
        let keys = now::keys();
        let columns = self.columns(config);
        let pressures = signal::pressures(&self.roster, &keys, columns);
        let (roster, departed) = (&self.roster, &change.departed);
        let name = |key: Key| match (roster.best_effort.get(&key), roster.protected.get(&key)) {
            (Some(task), _) => task.id.clone(),
            (None, Some(task)) => task.id.clone(),
            (None, None) if departed.contains(&key) => "a task that has ended".to_owned(),
            (None, None) => "a task that was best-effort".to_owned(),
        };
        let news = self.requests.hear(self.tick, name);
        let view = View::new(config, &self.roster, self.tick, &keys);

        if self.tick == 1 {
            // A life of this policy before this one may have left limits of which this one does not know.
            for means in &self.ladder.means {
                for key in view.roster.best_effort.keys() {
                    self.requests.release_if_left(*key, means.lever);
                }
            }
        }
        // Before tasks come under limits of which nothing can be in force yet.
        if !self.requests.is_shadow {
            correct(&news, &view, &mut self.ladder);
        }
        take_over(&change, &view, &mut self.ladder, &mut self.requests);
        if !change.departed.is_empty() {
            self.controller.tasks_have_gone(config);
        }
        if news.reverted {
            let times = 1_u32 << self.reverted.min(LONGEST_REST.ilog2());
            self.reverted += 1;
            let ticks = config.forget.saturating_mul(times);
            log::warn!("squeezes were taken back: none for {ticks} ticks");
            // This one is not yet one of them.
            self.controller.resting = ticks.saturating_add(1);
            self.signal.clear();
        }

        let reading = self.signal.read(&pressures);
        let worst = reading.map_or(f64::NAN, |reading| reading.worst);
        if worst <= 1.0 {
            self.ladder.helped();
        }
        match self.controller.decide(config, reading, !self.roster.protected.is_empty()) {
            Step::Hold => {}
            Step::Squeeze(_) if self.controller.resting > 0 => {}
            // What is not written does not show: a second step would be asked for on the evidence of the first.
            Step::Squeeze(_) if self.requests.is_shadow && self.ladder.is_in_force() => {}
            Step::Squeeze(factor) => {
                let squeezed =
                    reading.and_then(|reading| self.ladder.squeeze(factor, reading, &view, &mut self.requests));
                if let Some(is_slow) = squeezed {
                    log::debug!("pressure {worst:.2} times its target: squeezed to {factor:.2}");
                    self.controller.squeezed(is_slow);
                    self.signal.clear();
                    self.counts.squeezes += 1;
                }
            }
            Step::Release(growth) => {
                let may_probe = self.controller.may_probe(config, reading.is_some());
                if self.controller.has_waited(config) {
                    self.reverted = 0;
                }
                let (given, is_slow) = self.ladder.release(&view, growth, may_probe, &mut self.requests);
                if given.anything {
                    self.controller.released(is_slow, given.was_probe && reading.is_some());
                    self.signal.clear();
                    self.counts.releases += 1;
                }
                if !self.ladder.is_in_force() {
                    self.controller.all_is_given_back();
                }
            }
        }
        self.requests.give_back();
        tell::contentions(&view, &pressures, worst)?;
        tell::metrics(&view, &pressures, worst, &self.ladder, self.counts)
    }

    /// Where the pressures stand; says once what is not measured.
    fn columns(&mut self, config: &Config) -> [Option<usize>; 3] {
        let version = now::series_version();
        match self.columns {
            Some((known, columns)) if known == version => columns,
            _ => {
                let columns = signal::columns();
                let wanted = config.protected.iter().map(|entry| [entry.cpu, entry.memory, entry.io]);
                let wanted = wanted.fold([false; 3], |all, one| std::array::from_fn(|at| all[at] || one[at].is_some()));
                let is_anybody = !self.roster.protected.is_empty();
                for ((resource, column), wanted) in RESOURCES.iter().zip(columns).zip(wanted) {
                    if wanted && is_anybody && column.is_none() {
                        log::warn!(
                            "the pressure of tasks for {resource} is not measured here (task_pressure_seconds): targets for it say nothing; \
                             it takes a cgroup v2 hierarchy and a kernel with PSI that is not switched off (psi=1)"
                        );
                    }
                }
                self.columns = is_anybody.then_some((version, columns));
                columns
            }
        }
    }
}

/// Tasks that came, went, or are something else now.
fn take_over(change: &Change, view: &View<'_>, ladder: &mut Ladder, requests: &mut Requests) {
    for means in &mut ladder.means {
        let mut joining: Vec<Key> = requests.due_again(means.lever);
        joining.extend(&change.arrived);
        for key in joining {
            means.join(key, view, requests);
        }
        for key in &change.spared {
            means.spare(*key, requests);
        }
        for key in &change.departed {
            means.forget(*key);
        }
    }
    for key in &change.departed {
        requests.forget(*key);
    }
}

/// Limits become what is in force.
fn correct(news: &News, view: &View<'_>, ladder: &mut Ladder) {
    // A batch may have several requests for what is shared: the last word counts.
    let shared: BTreeMap<&str, Key> = news.differs.iter().map(|(key, lever)| (lever.kind(), *key)).collect();
    for means in &mut ladder.means {
        let failed = news.failed.iter().filter(|(_, lever)| *lever == means.lever);
        means.failed(&failed.map(|(key, _)| *key).collect::<Vec<_>>(), view);
        match means.lever {
            Lever::CpuQuota => {
                let of_lever = news.differs.iter().filter(|(_, lever)| *lever == Lever::CpuQuota);
                means.look(&of_lever.map(|(key, _)| *key).collect::<Vec<_>>(), view);
            }
            Lever::RdtL3 | Lever::RdtMb => {
                if let Some(key) = shared.get(means.lever.kind()) {
                    means.look_at(*key, true, view);
                }
                means.reconcile(view);
            }
        }
    }
}
