//! `wca -c FILE`: what a configuration file says, each interval, until the operator is done.

mod build;
mod guests;
mod kafka;
mod rdt;
mod reload;
mod site;
mod swap;
mod view;

use std::process::ExitCode;
use std::sync::Arc;

use crate::configured::build::{Built, build};
use crate::configured::swap::Running;
use crate::entry::Agent;
use crate::log;
use crate::node::Node;
use crate::pace::Pace;
use crate::policies::Policies;
use crate::print;
use crate::roster::{Known, View};
use crate::run::{run_loop, run_runner};
use crate::settings::Configured;
use crate::storages::Storages;
use crate::workers;

pub(crate) use reload::Reloading;

/// Runs what the file says, or only checks it.
pub(crate) async fn run(agent: Agent, settings: Configured) -> ExitCode {
    let (of_build, settings) = (agent.clone(), Arc::new(settings));
    let to_build = Arc::clone(&settings);
    let built = workers::run(async move { build(&of_build, &to_build, &Running::default()).await });
    let built = match built.await {
        Ok(built) => built,
        Err(text) => {
            log::lines(&text);
            return ExitCode::FAILURE;
        }
    };
    for note in &built.notes {
        tracing::warn!("{note}");
    }
    if settings.check {
        print::write_out(&format!("{}: nothing is wrong", settings.source));
        return ExitCode::SUCCESS;
    }
    start(&agent, &settings, built).await
}

/// How the file finds tasks; the error is all that is wrong with it, as it is to be shown.
pub(crate) async fn view_of(agent: &Agent, settings: &Configured) -> Result<View, String> {
    Ok(build(agent, settings, &Running::default()).await?.take_view())
}

async fn start(agent: &Agent, settings: &Configured, mut built: Built) -> ExitCode {
    let ticks = settings.iterations.map(|ticks| ticks.saturating_sub(agent.ticks).max(1));
    let pace = Pace::new(built.interval, built.once.then_some(1).or(ticks), agent.client.stop());
    let known = Known::new(Arc::clone(&agent.platform), Arc::clone(&agent.catalog), built.take_view());
    let mut node = Node::new(agent.client.clone(), known, Policies::default(), Storages::default(), pace);
    node.memory = std::mem::take(&mut built.memory);
    let mut running = Running::default();
    let runner = built.runner.take();
    if let (Some(runner), Some(identity)) = (&runner, built.runner_identity.take()) {
        running.set_runner(identity, runner.name().to_string());
    }
    if let Err(error) = running.swap(&mut node, built).await {
        log::plain(&format!("{}: {error}", settings.source));
        return ExitCode::FAILURE;
    }
    node.reloading = Some(Reloading::new(agent.clone(), &settings.text, running));
    agent.begin().await;
    match runner {
        Some(runner) => workers::run(run_runner(runner, node)).await,
        None => run_loop(node).await,
    }
}
