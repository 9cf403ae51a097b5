//! `wca`: a node agent whose policies are sandboxed WebAssembly components.

mod arguments;
mod bench;
mod compile;
mod components;
mod config_file;
mod configured;
mod demo;
mod doctor;
mod explain;
mod freeze;
mod held;
mod journal;
mod limits;
mod metrics;
mod policies;
mod registered;
mod reload;
mod report;
mod restore;
mod start;

use std::process::ExitCode;

use crate::arguments::{Arguments, BenchArguments, Benched, Verb};

/// Exit code of a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where the terminal is gone there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    if let Some(process) = arguments.verb.process() {
        wca_log::choose(process.form());
    }
    match arguments.verb {
        // The two verbs of the unprivileged processes: they confine themselves before anything else.
        Verb::Agent => wca_agent::main(),
        Verb::Compile => compile::main(),
        Verb::Run(run) if (run.config.is_some() || run.apply) && !run.root && rustix::process::geteuid().is_root() => {
            report::note("WCA is started as root, which it does only where it is told so: add --root");
            ExitCode::from(USAGE)
        }
        Verb::Run(run) => report::ended(start::run(run)),
        Verb::Check(check) => report::ended(configured::check(check)),
        Verb::Tasks(tasks) => report::ended(start::tasks(tasks)),
        Verb::Reload(reload) => report::ended(reload::reload(&reload)),
        Verb::Restore(arguments) => report::ended(restore::restore(&arguments)),
        Verb::Freeze(arguments) => report::ended(freeze::freeze(&arguments)),
        Verb::Thaw(arguments) => report::ended(freeze::thaw(&arguments)),
        Verb::Journal(arguments) => report::ended(journal::journal(&arguments)),
        Verb::Explain(arguments) => report::ended(explain::explain(&arguments)),
        Verb::Doctor(arguments) => report::ended(doctor::doctor(&arguments)),
        Verb::Metrics(arguments) => {
            metrics::metrics(&arguments);
            ExitCode::SUCCESS
        }
        Verb::Components(components) => report::ended(components::components(&components)),
        Verb::Inspect(inspect) => report::ended(start::inspect(&inspect)),
        Verb::Bench(BenchArguments { what: Benched::Node(arguments) }) => report::ended(bench::node(&arguments)),
        Verb::Demo(demo) => report::ended(demo::demo(&demo)),
    }
}
