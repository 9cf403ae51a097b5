//! `wca`: a node agent whose policies are sandboxed WebAssembly components.

mod arguments;
mod compile;
mod demo;
mod limits;
mod report;
mod start;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Verb};

/// Exit code of a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where the terminal is gone there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.verb {
        // The two verbs of the unprivileged processes: they confine themselves before anything else.
        Verb::Agent => wca_agent::main(),
        Verb::Compile => compile::main(),
        Verb::Run(run) => report::ended(start::run(run)),
        Verb::Inspect(inspect) => report::ended(start::inspect(&inspect)),
        Verb::Demo(demo) => report::ended(demo::demo(&demo)),
    }
}
