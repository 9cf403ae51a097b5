//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wca_config::{QuantityError, parse_bytes, parse_count, parse_duration};
use wca_sandbox::Origin;

/// A node agent whose policies are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "wca", version, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run components: a runner runs, a storage gets the node's metrics each interval, a detector or an allocator is
    /// called each interval and what it says is printed. Nothing on the machine is changed.
    Run(RunArguments),
    /// Print what a component is: its world, constructor, imports and the grants that it needs. Nothing of it runs.
    Inspect(InspectArguments),
    /// Watch a busy and an idle task of one's own making with a detector that is built in.
    Demo(DemoArguments),
    /// The unprivileged process, started by the warden.
    #[command(hide = true)]
    Agent,
    /// The compiler, started by the warden: a component on standard input, machine code on standard output.
    #[command(hide = true)]
    Compile,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A component: a file, or the name of a built-in one. May be given several times.
    #[arg(long = "component", value_name = "X.wasm", required = true)]
    pub(crate) components: Vec<String>,
    /// A parameter of the component, such as `threshold=0.5` or `limits={low: 1}`; of one among several as `Name.key=value`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Origin to which components may send HTTP requests, such as http://127.0.0.1:8000. May be given several times.
    #[arg(long = "allow-http", value_name = "ORIGIN")]
    pub(crate) allow_http: Vec<Origin>,
    /// A component that is refused does not keep the others from running.
    #[arg(long)]
    pub(crate) continue_on_errors: bool,
    /// Seed of the components' random numbers; another in every run where it is not given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PaceArguments {
    /// Time from one tick to the next.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// Number of ticks; without it, until Ctrl-C or SIGTERM.
    #[arg(long, value_name = "N", value_parser = parse_iterations)]
    pub(crate) iterations: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct LimitArguments {
    /// Instructions that a call may execute, about; the same as `--limit fuel=N`.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) fuel: Option<u64>,
    /// Time that a call may take; the same as `--limit deadline=DURATION`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) deadline: Option<Duration>,
    /// Bytes of all memories and tables of a component; the same as `--limit memory=BYTES`.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub(crate) memory: Option<u64>,
    /// Another limit; `--limit help` prints all with their defaults.
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A component: a file, or the name of a built-in one.
    #[arg(value_name = "X.wasm")]
    pub(crate) component: String,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub(crate) pace: DemoPace,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DemoPace {
    /// Time from one tick to the next.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// Number of ticks.
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_iterations)]
    pub(crate) iterations: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ProcessArguments {
    /// Do not keep compiled code, and take none that was kept.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Folder in which compiled code is kept.
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// User that the agent becomes where WCA runs as root, by name or number; `wca` or an unused one where not given.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Folder of the lock and of the operator's socket.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Lines of the log that are written: those of this level and above.
    #[arg(
        short = 'l',
        long = "log-level",
        visible_alias = "log",
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true
    )]
    pub(crate) log_level: Level,
}

/// Levels of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    /// What is broken.
    Error,
    /// What is odd.
    Warn,
    /// What happens.
    Info,
    /// What an author wants to see.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a key and a value are expected, such as threshold=0.5".into()),
    }
}

fn parse_iterations(text: &str) -> Result<u64, String> {
    let count = parse_count(text).map_err(|error: QuantityError| error.to_string())?;
    if count == 0 { Err("at least 1 is expected".into()) } else { Ok(count) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
