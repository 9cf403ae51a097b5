//! `!NUMAAllocator`: each task on one NUMA node, and its pages too.

mod algorithm;
mod allocator;
mod attempts;
mod columns;
mod machine;
mod metrics;
mod outcomes;
mod pages;
mod requests;
mod rounding;
mod rows;
mod tasks;

/// Puts each task on one NUMA node, one task in each iteration, and has its pages follow.
#[wca_guest::allocator(name = "NUMAAllocator")]
pub(crate) mod numa {
    /// How a node is chosen.
    #[config]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Algorithm {
        FillBiggestFirst,
        MinimizeMigrations,
        /// The same under the name that the Python agent took.
        MinimizeMigration,
    }

    pub(crate) struct Config {
        /// How a node is chosen for the largest task that has none: the one with the least memory of tasks (fill_biggest_first), or
        /// one that has most of its pages already, where that is not much fuller than others (minimize_migrations).
        #[default(Algorithm::FillBiggestFirst)]
        pub(crate) algorithm: Algorithm,
        /// With minimize_migrations, tasks of which no node has at least this part of the pages are left alone; 0 to 1.
        #[default(0.0)]
        pub(crate) loop_min_task_balance: f64,
        /// Whether a node is only given to a task where what the task may still put there fits into the memory that is free there.
        #[default(false)]
        pub(crate) free_space_check: bool,
        /// Whether pages are moved to the node of their task.
        #[default(true)]
        pub(crate) migrate_pages: bool,
        /// Part of its pages, 0 to 1, below which a task has them moved again while its node is the one with most free memory; null is
        /// never.
        #[default(0.95)]
        pub(crate) migrate_pages_min_task_balance: Option<f64>,
        /// Whether a task may only run on the processors of its node.
        #[default(true)]
        pub(crate) cgroups_cpus_binding: bool,
        /// Whether a task may only take memory from its node.
        #[default(false)]
        pub(crate) cgroups_memory_binding: bool,
        /// Whether its pages follow where that changes; cgroup v1 asks for it, on v2 they always do.
        #[default(false)]
        pub(crate) cgroups_memory_migrate: bool,
        /// Whether it only says how the memory of tasks is spread, and asks for nothing.
        #[default(false)]
        pub(crate) dryrun: bool,
    }

    type State = crate::allocator::Allocator;

    fn validate(config: &Config) -> Result<(), String> {
        let parts = [
            ("loop_min_task_balance", Some(config.loop_min_task_balance)),
            ("migrate_pages_min_task_balance", config.migrate_pages_min_task_balance),
        ];
        for (name, part) in parts {
            if let Some(part) = part
                && !(0.0..=1.0).contains(&part)
            {
                return Err(format!("{name} {part}: a part of the pages is a number from 0 to 1"));
            }
        }
        Ok(())
    }

    fn allocate(config: &Config, state: &mut State) {
        state.iterate(config);
    }
}
