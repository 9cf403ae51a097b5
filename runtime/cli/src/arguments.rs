//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use wca_config::{LoggerLevel, QuantityError, parse_bytes, parse_count, parse_duration, parse_logger};
use wca_log::Form;
use wca_sandbox::Origin;

/// A node agent whose policies are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "wca", version, disable_help_subcommand = true, disable_version_flag = true)]
pub(crate) struct Arguments {
    /// Print the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Arguments {
    /// Reads the command line. `wca -c FILE` is `wca run -c FILE`: the verb may be left out before flags.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::try_parse_from(with_verb(std::env::args_os().collect()))
    }
}

/// The command line with its verb.
fn with_verb(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_own = |flag: &str| matches!(flag, "-h" | "--help" | "-v" | "-V" | "--version");
    let first = arguments.get(1).map(|first| first.to_string_lossy().into_owned());
    if first.is_some_and(|first| first.starts_with('-') && !is_own(&first)) {
        arguments.insert(1, "run".into());
    }
    arguments
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run what a configuration file says (`-c FILE`), or components: a runner runs, a storage gets the node's metrics each interval, a detector or an allocator is
    /// called each interval and what it says is printed. Without `--apply`, nothing on the machine is changed by components of the command line.
    Run(RunArguments),
    /// Check a configuration file: everything is done up to the first tick.
    Check(CheckArguments),
    /// Have the agent that runs read its configuration again.
    Reload(OperateArguments),
    /// Put back everything that WCA has changed. One that runs goes on without changes until `wca thaw`; where none runs, what an
    /// earlier one has left is put back.
    Restore(OperateArguments),
    /// Make no changes until `wca thaw`. What is in force stays.
    Freeze(OperateArguments),
    /// Make changes again.
    Thaw(OperateArguments),
    /// Print every value that WCA holds: what it was, what was written, and in whose name.
    Journal(JournalArguments),
    /// Say what WCA has changed of a task: which values, who asked for them and when, and what the kernel made of them.
    Explain(ExplainArguments),
    /// Print the tasks of this machine, and which files their cgroups lack for which metrics.
    Tasks(TasksArguments),
    /// Print every component that a configuration file can name, with its constructor.
    Components(ComponentsArguments),
    /// Say what this machine has of what WCA uses, by which file, and what would bring the rest. Nothing is started.
    Doctor(DoctorArguments),
    /// Print every metric, with its unit, its source and how it was confirmed.
    Metrics(MetricsArguments),
    /// Print what a component is: its world, constructor, imports and the grants that it needs. Nothing of it runs.
    Inspect(InspectArguments),
    /// Watch a busy and an idle task of one's own making with a detector that is built in.
    Demo(DemoArguments),
    /// Measure what the agent costs this machine.
    Bench(BenchArguments),
    /// The unprivileged process, started by the warden.
    #[command(hide = true)]
    Agent,
    /// The compiler, started by the warden: a component on standard input, machine code on standard output.
    #[command(hide = true)]
    Compile,
}

impl Verb {
    /// How its processes run, where it has any.
    pub(crate) fn process(&self) -> Option<&ProcessArguments> {
        match self {
            Self::Run(run) => Some(&run.process),
            Self::Check(check) => Some(&check.process),
            Self::Tasks(tasks) => Some(&tasks.process),
            Self::Components(components) => Some(&components.process),
            Self::Inspect(inspect) => Some(&inspect.process),
            Self::Demo(demo) => Some(&demo.process),
            Self::Reload(_)
            | Self::Restore(_)
            | Self::Freeze(_)
            | Self::Thaw(_)
            | Self::Journal(_)
            | Self::Explain(_)
            | Self::Doctor(_)
            | Self::Metrics(_)
            | Self::Bench(_)
            | Self::Agent
            | Self::Compile => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A configuration file.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["components", "set", "continue_on_errors", "interval"])]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) register: RegisterArguments,
    /// Lets WCA run as root, which `-c` and `--apply` ask for.
    #[arg(short = '0', long)]
    pub(crate) root: bool,
    /// A component: a file, or the name of a built-in one. May be given several times.
    #[arg(long = "component", value_name = "X.wasm", required_unless_present = "config")]
    pub(crate) components: Vec<String>,
    /// A parameter of the component, such as `threshold=0.5` or `limits={low: 1}`; of one among several as `Name.key=value`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Origin to which components may send HTTP requests, such as http://127.0.0.1:8000. May be given several times.
    #[arg(long = "allow-http", value_name = "ORIGIN")]
    pub(crate) allow_http: Vec<Origin>,
    /// Makes the changes that allocators ask for, and puts them back at the end. Without it they are only told.
    #[arg(long, conflicts_with = "config")]
    pub(crate) apply: bool,
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
pub(crate) struct RegisterArguments {
    /// A component that the file can name: its tag and its file, or its file alone, whose own name is the tag then. May be
    /// given several times.
    #[arg(short, long, value_name = "NAME=X.wasm")]
    pub(crate) register: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) register: RegisterArguments,
    /// Origin to which components may send HTTP requests. May be given several times.
    #[arg(long = "allow-http", value_name = "ORIGIN")]
    pub(crate) allow_http: Vec<Origin>,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
}

#[derive(Debug, Args)]
pub(crate) struct TasksArguments {
    /// A configuration file that says who is a task; every cgroup with processes where not given.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) register: RegisterArguments,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
}

#[derive(Debug, Args)]
pub(crate) struct OperateArguments {
    /// Folder of the operator's socket and of the journal; the usual one where not given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) run_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct JournalArguments {
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// Path of its cgroup as in `wca tasks`, its id, or its name.
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) operate: OperateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ComponentsArguments {
    #[command(flatten)]
    pub(crate) register: RegisterArguments,
    /// Print the JSON schema of configuration files instead, for editors.
    #[arg(long)]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// A configuration file: only what it asks for is told, and what is not there is an error.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// A folder with the files of another machine.
    #[arg(long, value_name = "FOLDER", hide = true)]
    pub(crate) sysroot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// As the page of the documentation.
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PaceArguments {
    /// Time from one tick to the next; 1 s where not given.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) interval: Option<Duration>,
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
    pub(crate) limits: LimitArguments,
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
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    pub(crate) what: Benched,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benched {
    /// Make cgroups with a sleeping process each, run the real loop, and print its processor time by parts beside the floor:
    /// all files that it keeps open, read and thrown away.
    Node(NodeBenchArguments),
}

#[derive(Debug, Args)]
pub(crate) struct NodeBenchArguments {
    /// Number of tasks.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) tasks: u32,
    /// Time from one tick to the next.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// Wake each process once in each interval, so that all files of its task are read in each tick.
    #[arg(long)]
    pub(crate) awake: bool,
    /// Number of ticks that are measured.
    #[arg(long, value_name = "N", default_value = "20", value_parser = parse_iterations)]
    pub(crate) iterations: u64,
    /// Count the processor's events per task too.
    #[arg(long)]
    pub(crate) perf: bool,
    /// Print the results as JSON.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Lines of the log that are written: those of this level and above, of one module or policy as `wca.storage:debug`.
    /// May be given several times.
    #[arg(short = 'l', long = "log-level", visible_alias = "log", value_name = "[MODULE:]LEVEL", value_parser = parse_logger)]
    pub(crate) log: Vec<LoggerLevel>,
    /// Form of the log; that of the journal where standard error is connected to it, else plain.
    #[arg(long, value_name = "FORM")]
    pub(crate) log_format: Option<LogFormat>,
}

/// Forms of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
    /// With priorities for the journal.
    Journal,
}

impl ProcessArguments {
    /// Form of the log.
    pub(crate) fn form(&self) -> Form {
        match self.log_format {
            None => Form::of_standard_error(),
            Some(LogFormat::Plain) => Form::Plain,
            Some(LogFormat::Json) => Form::Json,
            Some(LogFormat::Journal) => Form::Journal,
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

    #[test]
    fn the_verb_may_be_left_out_before_flags() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, expected) in [
            ("wca -c x.yaml --root", "wca run -c x.yaml --root"),
            ("wca --config=x.yaml", "wca run --config=x.yaml"),
            ("wca run -c x.yaml", "wca run -c x.yaml"),
            ("wca -v", "wca -v"),
            ("wca --help", "wca --help"),
            ("wca demo", "wca demo"),
        ] {
            assert_eq!(with_verb(words(line)), words(expected));
        }
    }
}
