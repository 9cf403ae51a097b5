//! One iteration, and what is kept from one to the next.

use wca_guest::releases::Releases;
use wca_guest::{log, now, plan};

use crate::algorithm::{Load, choose};
use crate::attempts::Asked;
use crate::machine::Machine;
use crate::metrics;
use crate::numa::Config;
use crate::outcomes::{Said, hear};
use crate::requests::{Binding, Requests};
use crate::rows::{PAGES, Row, rows};
use crate::tasks::Tasks;

/// What is kept.
#[derive(Default)]
pub(crate) struct Allocator {
    tasks: Tasks,
    releases: Releases,
    said: Said,
    has_begun: bool,
}

impl Allocator {
    /// Looks, tells, and asks: for a node for one task that has none, and for pages that are to follow.
    pub(crate) fn iterate(&mut self, config: &Config) {
        let tick = now::tick();
        let changes = now::roster_changes();
        changes.departed.iter().for_each(|key| self.releases.forget(*key));
        self.tasks.update(changes);
        hear(plan::outcomes(), &mut self.tasks, &mut self.releases, config, tick, &mut self.said);
        let machine = Machine::now();
        let rows = rows(&mut self.tasks, &machine, config);
        let load = Load::of(&rows, &machine);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first {
            say_what_is_amiss(config, &machine);
        }
        metrics::of_nodes(&rows, &load, &machine);
        if config.dryrun {
            return;
        }
        metrics::of_tasks(&rows, &self.tasks, &machine);
        // On a machine with one node there is nothing to choose.
        if machine.nodes.len() > 1 {
            self.ask(config, &machine, &rows, &load, is_first);
        }
        metrics::of_requests(&rows, &self.tasks, config);
    }

    fn ask(&mut self, config: &Config, machine: &Machine, rows: &[Row], load: &Load, is_first: bool) {
        let tick = now::tick();
        for row in rows {
            let (Some(kept), Some(node)) = (self.tasks.get_mut(row.key), row.node) else { continue };
            kept.to_move.see(machine.nodes[node].id, row.pages.elsewhere(node));
        }
        let chosen = self.choose(config, machine, rows, load, tick);
        if let Some(kept) = chosen.and_then(|(row, _)| self.tasks.get_mut(row.key)) {
            // It is about to get that of another node.
            kept.gives_memory_back = false;
        }
        let mut requests = Requests::new(config, machine, tick, &mut self.releases, &mut self.said);
        if is_first {
            requests.take_over(rows);
        }
        requests.ask_again(rows, &mut self.tasks);
        requests.settle_memory(rows, &mut self.tasks);
        if let Some((row, node)) = chosen
            && let Some(kept) = self.tasks.get_mut(row.key)
        {
            log::debug!("{} gets NUMA node {}", kept.name, machine.nodes[node].id);
            requests.pin(row, node, kept);
        }
        requests.follow(rows, &mut self.tasks);
        requests.give_back();
    }

    /// The first task without a node that can be given one. Nodes that it was refused are left out for a while, and so is a task
    /// of which nobody knows how much memory it may have.
    fn choose<'a>(
        &self,
        config: &Config,
        machine: &Machine,
        rows: &'a [Row],
        load: &Load,
        tick: u64,
    ) -> Option<(&'a Row, usize)> {
        if Binding::of(config) == Binding::Nothing {
            return None;
        }
        rows.iter().filter(|row| row.node.is_none() && row.limit > 0.0).find_map(|row| {
            let kept = self.tasks.get(row.key)?;
            let may = |at: &usize| kept.attempts.may(Asked::Node(machine.nodes[*at].id), tick);
            let may: Vec<usize> = (0..machine.nodes.len()).filter(may).collect();
            choose(row, &may, load, machine, config).map(|node| (row, node))
        })
    }
}

/// What of the configuration has no effect, and what this machine lacks for it. Said once.
fn say_what_is_amiss(config: &Config, machine: &Machine) {
    if config.cgroups_memory_migrate && !config.cgroups_memory_binding {
        log::warn!("cgroups_memory_migrate has no effect without cgroups_memory_binding: true");
    }
    if Binding::of(config) == Binding::Nothing && !config.dryrun {
        log::warn!(
            "cgroups_cpus_binding, cgroups_memory_binding and migrate_pages are all false: nothing is asked for, as with dryrun: true"
        );
    }
    if machine.nodes.len() < 2 {
        log::info!(
            "this machine has one NUMA node with processors and memory: every task is there, and nothing is asked for"
        );
        return;
    }
    if now::series(PAGES).is_empty() {
        log::warn!(
            "{PAGES} is not measured here: nobody knows where the pages of tasks are, and none are moved after their task"
        );
    }
    if machine.nodes.iter().any(|node| node.free.is_none()) {
        log::warn!(
            "platform_mem_numa_free_bytes is not measured of every NUMA node: no pages follow later, and free_space_check leaves out \
             the nodes without it"
        );
    }
}
