//! Starting the warden with what the command line asks for.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use wca_agent::settings::{ComponentSource, Job, NamedInput, Run, Settings};
use wca_config::{Content, check_file_path, parse_value};
use wca_control::Policy;
use wca_log::Levels;
use wca_model::Mode;
use wca_sandbox::Grants;
use wca_warden::{Cache, Ticks, WardenConfig};

use crate::arguments::{InspectArguments, ProcessArguments, RunArguments, TasksArguments};
use crate::policies::{named_apart, policy};
use crate::registered::open_component;
use crate::{configured, limits, report};

/// Time from tick to tick where nobody says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);
/// An agent that has begun to tick and has been silent for so long, and for so many intervals, is reported.
const REPORT: (Duration, u32) = (Duration::from_secs(10), 3);
/// After so long, and so many intervals, it is ended and started again. Storages are waited for at the end of a run, and
/// compilers are slow.
const KILL: (Duration, u32) = (Duration::from_secs(60), 10);

/// `wca run`.
///
/// # Errors
/// What cannot be opened or started.
pub(crate) fn run(arguments: RunArguments) -> Result<u8> {
    if arguments.limits.limits.iter().any(|limit| limit == "help") {
        report::print(&limits::help());
        return Ok(0);
    }
    if arguments.config.is_some() {
        return configured::run(arguments);
    }
    let (limits, compile) = limits::limits(&arguments.limits)?;
    let mut files = Vec::new();
    let components = arguments.components.iter().map(|name| open(name, &mut files)).collect::<Result<Vec<_>>>()?;
    let policies = policies(&arguments.components, &components, &arguments.set, &files)?;
    let interval = arguments.pace.interval.unwrap_or(INTERVAL);
    let values: Vec<_> = arguments.set.iter().map(|(key, value)| parse_value(value, &format!("--set {key}"))).collect();
    let texts = values.iter().filter_map(|value| match &value.content {
        Content::Scalar(value) if check_file_path(value).is_ok() => Some(value.text.as_str()),
        _ => None,
    });
    let (inputs, named_inputs) = inputs(texts, 0)?;
    let job = Job::Run(Run {
        components,
        set: arguments.set,
        inputs: named_inputs,
        limits,
        grants: Grants { http: arguments.allow_http },
        interval,
        iterations: arguments.pace.iterations,
        continue_on_errors: arguments.continue_on_errors,
        seed: arguments.seed,
    });
    let config = config(&arguments.process, settings(&arguments.process, job), files)?;
    let mode = if arguments.apply { Mode::Apply } else { Mode::Shadow };
    let control = wca_control::Settings { mode, ..wca_control::Settings::default() };
    let kubelet = Some(wca_config::Control::default().kubelet_root.into());
    Ok(wca_warden::run(WardenConfig { policies, control, kubelet, compile, inputs, ticks: ticks(interval), ..config })?)
}

/// The files that arguments of components may name, each once, with their numbers from `first`. None of them is opened before
/// a component turns out to take the file for which the operator wrote it.
///
/// # Errors
/// More than there are numbers.
pub(crate) fn inputs<'text>(
    paths: impl Iterator<Item = &'text str>,
    first: u32,
) -> Result<(Vec<PathBuf>, Vec<NamedInput>)> {
    let paths: BTreeSet<&str> = paths.collect();
    let mut named = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let number = first + u32::try_from(at).context("too many arguments of components")?;
        named.push(NamedInput { path: (*path).to_owned(), number });
    }
    Ok((paths.iter().map(PathBuf::from).collect(), named))
}

/// The policies of the command line. Which of them a parameter is meant for is known when they are loaded, so that each has all.
fn policies(
    names: &[String],
    components: &[ComponentSource],
    set: &[(String, String)],
    files: &[(String, File)],
) -> Result<Vec<Policy>> {
    let arguments: Vec<String> = set.iter().map(|(key, value)| format!("{key:?}={value:?}")).collect();
    let arguments = arguments.join(" ");
    let policies =
        names.iter().zip(components).map(|(name, component)| policy(name, &[component], &arguments, 0, files));
    Ok(named_apart(policies.collect::<Result<_>>()?))
}

/// `wca inspect`.
///
/// # Errors
/// What cannot be opened or started.
pub(crate) fn inspect(arguments: &InspectArguments) -> Result<u8> {
    let mut files = Vec::new();
    let component = open(&arguments.component, &mut files)?;
    let job = Job::Inspect { component, json: arguments.json };
    let (_, compile) = limits::limits(&arguments.limits)?;
    let config = config(&arguments.process, settings(&arguments.process, job), files)?;
    Ok(wca_warden::run(WardenConfig { compile, serves_operator: false, ..config })?)
}

/// `wca tasks`.
///
/// # Errors
/// What cannot be opened or started.
pub(crate) fn tasks(arguments: TasksArguments) -> Result<u8> {
    if arguments.config.is_some() {
        return configured::tasks(arguments);
    }
    let job = Job::Tasks { configured: None, json: arguments.json };
    let config = config(&arguments.process, settings(&arguments.process, job), Vec::new())?;
    Ok(wca_warden::run(WardenConfig { serves_operator: false, ..config })?)
}

/// What the agent is to do, with the log as the command line has it.
pub(crate) fn settings(process: &ProcessArguments, job: Job) -> Settings {
    Settings { levels: Levels::new(&[], &process.log), form: process.form(), cache: !process.no_cache, job }
}

/// What a warden is started with. The log of this process is written from now on.
pub(crate) fn config(
    process: &ProcessArguments,
    settings: Settings,
    files: Vec<(String, File)>,
) -> Result<WardenConfig> {
    let cache = match (&process.cache_dir, process.no_cache) {
        (_, true) => Cache::None,
        (Some(folder), false) => Cache::At(folder.clone()),
        (None, false) => Cache::Default,
    };
    let encoded = settings.encode()?;
    // Its levels change with those of the agent, which a reload sets there; this one says little.
    let _log = wca_log::start(settings.levels, settings.form);
    Ok(WardenConfig {
        settings: encoded,
        files,
        user: process.user.clone(),
        run_dir: process.run_dir.clone(),
        cache,
        ..WardenConfig::default()
    })
}

/// How long an agent may be silent at this interval.
pub(crate) fn ticks(interval: Duration) -> Option<Ticks> {
    if interval.is_zero() {
        return None;
    }
    let intervals = |(time, least): (Duration, u32)| {
        let count = time.as_nanos().div_ceil(interval.as_nanos());
        u32::try_from(count).unwrap_or(u32::MAX).max(least)
    };
    Some(Ticks { interval, report: intervals(REPORT), kill: intervals(KILL) })
}

/// A built-in component by its name, or a file, which is opened here and handed on by its number.
fn open(name: &str, files: &mut Vec<(String, File)>) -> Result<ComponentSource> {
    if wca_agent::embedded_names().contains(&name) {
        return Ok(ComponentSource::Embedded { name: name.to_owned() });
    }
    if !name.contains(['/', '.']) && !std::path::Path::new(name).exists() {
        let names = wca_agent::embedded_names().join(", ");
        bail!("{name}: there is no such file, and no such built-in component ({names})");
    }
    open_component(name, 0, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_agent_has_time_whatever_the_interval() {
        let of = |interval| ticks(interval).map(|ticks| (ticks.report, ticks.kill));
        assert_eq!(of(Duration::from_millis(50)), Some((200, 1200)));
        assert_eq!(of(Duration::from_secs(1)), Some((10, 60)));
        assert_eq!(of(Duration::from_secs(60)), Some((3, 10)));
        assert_eq!(of(Duration::ZERO), None);
    }
}
