//! Starting the warden with what the command line asks for.

use std::fs::File;
use std::io::IsTerminal;

use anyhow::{Context, Result, bail};
use wca_agent::settings::{ComponentSource, Job, Run, Settings};
use wca_sandbox::Grants;
use wca_warden::{Cache, CompileLimits, WardenConfig};

use crate::arguments::{InspectArguments, ProcessArguments, RunArguments};
use crate::{limits, report};

/// `wca run`.
///
/// # Errors
/// What cannot be opened or started.
pub(crate) fn run(arguments: RunArguments) -> Result<u8> {
    if arguments.limits.limits.iter().any(|limit| limit == "help") {
        report::print(&limits::help());
        return Ok(0);
    }
    let (limits, compile) = limits::limits(&arguments.limits)?;
    let mut files = Vec::new();
    let components = arguments.components.iter().map(|name| open(name, &mut files)).collect::<Result<Vec<_>>>()?;
    let policies = u32::try_from(components.len()).context("--component")?;
    let job = Job::Run(Run {
        components,
        set: arguments.set,
        limits,
        grants: Grants { http: arguments.allow_http },
        interval: arguments.pace.interval,
        iterations: arguments.pace.iterations,
        continue_on_errors: arguments.continue_on_errors,
        seed: arguments.seed,
    });
    warden(job, &arguments.process, files, policies, compile)
}

/// `wca inspect`.
///
/// # Errors
/// What cannot be opened or started.
pub(crate) fn inspect(arguments: &InspectArguments) -> Result<u8> {
    let mut files = Vec::new();
    let component = open(&arguments.component, &mut files)?;
    let job = Job::Inspect { component, json: arguments.json };
    warden(job, &arguments.process, files, 1, CompileLimits::default())
}

/// Starts the warden, and with it the agent; returns when both are done.
pub(crate) fn warden(
    job: Job,
    process: &ProcessArguments,
    files: Vec<(String, File)>,
    policies: u32,
    compile: CompileLimits,
) -> Result<u8> {
    log(process.log_level.as_str());
    let settings = Settings { log_level: process.log_level.as_str().into(), cache: !process.no_cache, job };
    let cache = match (&process.cache_dir, process.no_cache) {
        (_, true) => Cache::None,
        (Some(folder), false) => Cache::At(folder.clone()),
        (None, false) => Cache::Default,
    };
    let config = WardenConfig {
        settings: settings.encode()?,
        files,
        policies,
        user: process.user.clone(),
        run_dir: process.run_dir.clone(),
        cache,
        compile,
        ..WardenConfig::default()
    };
    Ok(wca_warden::run(config)?)
}

/// A built-in component by its name, or a file, which is opened here and handed on by its number.
fn open(name: &str, files: &mut Vec<(String, File)>) -> Result<ComponentSource> {
    if wca_agent::embedded_names().contains(&name) {
        return Ok(ComponentSource::Embedded { name: name.to_owned() });
    }
    let file = File::open(name).with_context(|| not_found(name))?;
    if file.metadata().with_context(|| name.to_owned())?.is_dir() {
        bail!("{name}: this is a folder; a component is a file such as {}.wasm", name.trim_end_matches('/'));
    }
    let number = u32::try_from(files.len()).context("--component")?;
    files.push((name.to_owned(), file));
    Ok(ComponentSource::File { file: number, path: name.to_owned() })
}

fn not_found(name: &str) -> String {
    if name.contains(['/', '.']) {
        return format!("{name}: it cannot be opened");
    }
    format!(
        "{name}: there is no such file, and no such built-in component ({})",
        wca_agent::embedded_names().join(", ")
    )
}

/// The warden's own log, on standard error like the agent's.
fn log(level: &str) {
    let level = level.parse().unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .finish();
    // It fails only where a subscriber is set already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
