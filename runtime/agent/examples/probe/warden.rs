//! The real warden, with a configuration from a line of JSON.

use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;
use wca_warden::{Cache, Restart, Ticks, WardenConfig};

/// What a test chooses; the rest is as usual.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    agent: Vec<String>,
    files: Vec<String>,
    user: Option<String>,
    run_dir: Option<String>,
    cache_dir: Option<String>,
    compile_memory: Option<u64>,
    compile_millis: Option<u64>,
    compile_output: Option<u64>,
    component_size: Option<u64>,
    first_restart_millis: Option<u64>,
    most_restart_millis: Option<u64>,
    grace_millis: Option<u64>,
    tick_millis: Option<u64>,
}

pub(crate) fn run(config: &str) -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).without_time().init();
    let config: Config = serde_json::from_str(config).expect("a configuration");
    match wca_warden::run(built(config)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("the warden has failed: {error}");
            ExitCode::from(3)
        }
    }
}

fn built(config: Config) -> WardenConfig {
    let mut built = WardenConfig {
        agent: [vec!["agent".into()], config.agent].concat(),
        settings: b"settings".to_vec(),
        user: config.user,
        run_dir: config.run_dir.map(Into::into),
        cache: config.cache_dir.map_or(Cache::None, |dir| Cache::At(dir.into())),
        ..WardenConfig::default()
    };
    for name in config.files {
        let file = File::open(&name).expect("a file of the test");
        built.files.push((name, file));
    }
    let millis = Duration::from_millis;
    built.compile.memory = config.compile_memory.unwrap_or(built.compile.memory);
    built.compile.time = config.compile_millis.map_or(built.compile.time, millis);
    built.compile.output = config.compile_output.unwrap_or(built.compile.output);
    built.compile.input = config.component_size.unwrap_or(built.compile.input);
    built.restart = Restart {
        first: config.first_restart_millis.map_or(built.restart.first, millis),
        most: config.most_restart_millis.map_or(built.restart.most, millis),
        ..built.restart
    };
    built.grace = config.grace_millis.map_or(built.grace, millis);
    built.ticks = config.tick_millis.map(|tick| Ticks { interval: millis(tick), report: 3, kill: 10 });
    built
}
