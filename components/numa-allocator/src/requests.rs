//! What is asked for.

use wca_guest::releases::Releases;
use wca_guest::types::Refusal;
use wca_guest::{log, plan};

use crate::attempts::Asked;
use crate::machine::Machine;
use crate::numa::Config;
use crate::outcomes::{Said, failed};
use crate::rows::Row;
use crate::tasks::{Kept, Tasks};

pub(crate) const CPUS: &str = "cpuset_cpus";
pub(crate) const MEMS: &str = "cpuset_mems";
pub(crate) const MEMORY_MIGRATE: &str = "cpuset_memory_migrate";
pub(crate) const MIGRATE: &str = "migrate_pages";

/// What makes a node that of a task: the first of these that the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    Processors,
    Memory,
    Pages,
    Nothing,
}

impl Binding {
    pub(crate) fn of(config: &Config) -> Self {
        if config.cgroups_cpus_binding {
            Self::Processors
        } else if config.cgroups_memory_binding {
            Self::Memory
        } else if config.migrate_pages {
            Self::Pages
        } else {
            Self::Nothing
        }
    }

    /// The kind of the request that it is.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Processors => CPUS,
            Self::Memory => MEMS,
            Self::Pages | Self::Nothing => MIGRATE,
        }
    }
}

/// Requests of one iteration.
pub(crate) struct Requests<'a> {
    config: &'a Config,
    machine: &'a Machine,
    tick: u64,
    releases: &'a mut Releases,
    said: &'a mut Said,
    /// 0 for tasks whose pages do not follow, as only on cgroup v1; empty where nobody wants to know.
    pages_follow: Vec<f64>,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(
        config: &'a Config,
        machine: &'a Machine,
        tick: u64,
        releases: &'a mut Releases,
        said: &'a mut Said,
    ) -> Self {
        let is_asked = config.cgroups_memory_binding && config.cgroups_memory_migrate;
        let pages_follow = if is_asked { plan::in_force(MEMORY_MIGRATE) } else { Vec::new() };
        Self { config, machine, tick, releases, said, pages_follow }
    }

    /// Gives the task the node: its processors, its memory, and has the pages move there.
    pub(crate) fn pin(&mut self, row: &Row, node: usize, kept: &mut Kept) {
        let id = self.machine.nodes[node].id;
        kept.asked = Some(id);
        match self.bind(row, node) {
            Ok(()) => {}
            Err((kind, why)) if kind == Binding::of(self.config).kind() => {
                kept.asked = None;
                // That of the node that it had before.
                kept.gives_memory_back = kind == CPUS;
                return self.refused(kept, Asked::Node(id), kind, why);
            }
            Err((kind, why)) => self.refused(kept, Asked::Memory, kind, why),
        }
        if self.config.migrate_pages {
            match plan::migrate_pages(row.key, id) {
                Ok(()) => kept.to_move.ask(id, row.pages.elsewhere(node)),
                Err(why) if Binding::of(self.config) == Binding::Pages => {
                    kept.asked = None;
                    self.refused(kept, Asked::Node(id), MIGRATE, why);
                }
                Err(why) => self.refused(kept, Asked::Pages, MIGRATE, why),
            }
        }
    }

    /// Asks again for what an earlier start of the same allocator has left: the runtime puts back what nobody asks for. It cannot be
    /// told from what others have set, of which the same is asked that stands there.
    pub(crate) fn take_over(&mut self, rows: &[Row]) {
        let machine = self.machine;
        for row in rows {
            let Some(node) = row.node.map(|node| &machine.nodes[node]) else { continue };
            if self.config.cgroups_cpus_binding && plan::cpus_in_force(row.key) == node.cpus {
                let _ = plan::cpuset_cpus(row.key, &node.cpus).inspect_err(|why| untold(CPUS, why));
            }
            if self.config.cgroups_memory_binding && plan::mems_in_force(row.key) == [node.id] {
                let _ = self.bind_memory(row, node.id).inspect_err(|why| untold(MEMS, why));
            }
        }
    }

    /// In shadow mode, nothing stands of what was asked before: it is asked for again, so that all of it shows.
    pub(crate) fn ask_again(&mut self, rows: &[Row], tasks: &mut Tasks) {
        for row in rows {
            let (Some(kept), Some(node)) = (tasks.get_mut(row.key), row.node) else { continue };
            if kept.placed.is_some_and(|placed| placed.is_shadow) {
                kept.asked = Some(self.machine.nodes[node].id);
                let _ = self.bind(row, node).inspect_err(|(kind, why)| untold(kind, why));
            }
        }
    }

    /// Memory that a task was to have alone and does not have yet, as its pages could not move; and memory that is to be given back.
    pub(crate) fn settle_memory(&mut self, rows: &[Row], tasks: &mut Tasks) {
        if !self.config.cgroups_memory_binding {
            return;
        }
        for row in rows {
            let Some(kept) = tasks.get_mut(row.key) else { continue };
            if std::mem::take(&mut kept.gives_memory_back) {
                self.give_memory_back(row);
            }
            let (Some(node), Some(placed)) = (row.node, kept.placed) else { continue };
            let id = self.machine.nodes[node].id;
            if placed.is_shadow || placed.node != id {
                continue;
            }
            if plan::mems_in_force(row.key) == [id] {
                kept.attempts.succeeded(Asked::Memory);
            } else if kept.attempts.may(Asked::Memory, self.tick)
                && let Err(why) = self.bind_memory(row, id)
            {
                self.refused(kept, Asked::Memory, MEMS, why);
            }
        }
    }

    /// Has the pages of tasks follow that have a node already: of those whose node is the one with most free memory.
    pub(crate) fn follow(&mut self, rows: &[Row], tasks: &mut Tasks) {
        let (true, Some(least)) = (self.config.migrate_pages, self.config.migrate_pages_min_task_balance) else {
            return;
        };
        let Some(node) = self.machine.most_free() else { return };
        let id = self.machine.nodes[node].id;
        for row in rows.iter().filter(|row| row.node == Some(node)) {
            let Some(kept) = tasks.get_mut(row.key) else { continue };
            let elsewhere = row.pages.elsewhere(node);
            if elsewhere <= 0.0 || row.pages.part(node) >= least || !kept.attempts.may(Asked::Pages, self.tick) {
                continue;
            }
            match plan::migrate_pages(row.key, id) {
                Ok(()) => kept.to_move.ask(id, elsewhere),
                Err(why) => self.refused(kept, Asked::Pages, MIGRATE, why),
            }
        }
    }

    /// Processors and memory of a node; the error names what of it was refused. Without the processors, no memory is asked for.
    fn bind(&mut self, row: &Row, node: usize) -> Result<(), (&'static str, Refusal)> {
        let node = &self.machine.nodes[node];
        if self.config.cgroups_cpus_binding {
            plan::cpuset_cpus(row.key, &node.cpus).map_err(|why| (CPUS, why))?;
        }
        if self.config.cgroups_memory_binding {
            self.bind_memory(row, node.id).map_err(|why| (MEMS, why))?;
        }
        Ok(())
    }

    fn bind_memory(&mut self, row: &Row, node: u32) -> Result<(), Refusal> {
        let is_asked = self.pages_follow.get(row.at).is_some_and(|follow| *follow <= 0.0);
        // It gets that of another node: a release besides would be one request too many for the same.
        self.releases.withdraw(row.key, |kind| kind == MEMS || kind == MEMORY_MIGRATE);
        if is_asked {
            plan::cpuset_memory_migrate(row.key, true)?;
        }
        plan::cpuset_mems(row.key, &[node])
    }

    fn give_memory_back(&mut self, row: &Row) {
        self.releases.want(row.key, MEMS);
        if self.config.cgroups_memory_migrate {
            self.releases.want(row.key, MEMORY_MIGRATE);
        }
    }

    /// Makes the requests to give something back, until it is.
    pub(crate) fn give_back(&mut self) {
        for refused in self.releases.ask() {
            untold(refused.kind, &refused.why);
        }
    }

    /// The runtime has said at once that it will not do.
    fn refused(&mut self, kept: &mut Kept, asked: Asked, kind: &str, why: Refusal) {
        match why {
            // Both are over with this iteration.
            Refusal::Gone | Refusal::TooMany => log::debug!("{kind} of {}: {}", kept.name, why.text()),
            _ => failed(kept, asked, kind, &why.text(), self.tick, self.said),
        }
    }
}

/// Nobody waits for it: what is in force tells the next time.
fn untold(kind: &str, why: &Refusal) {
    log::debug!("{kind}: {}", why.text());
}
