//! `wca run`: components, each interval, until they or the operator are done.

use std::process::ExitCode;
use std::sync::Arc;

use wca_sandbox::{Failure, Policy, World};

use crate::entry::Agent;
use crate::load::{ComponentError, Loaded, parameters};
use crate::log;
use crate::node::Node;
use crate::pace::Pace;
use crate::policies::Policies;
use crate::roster::Known;
use crate::settings::Run;

/// Runs the components to their end.
pub(crate) async fn run(agent: Agent, run: Run) -> ExitCode {
    let (policies, refused) = make_policies(&agent, &run).await;
    for error in &refused {
        log::plain(&error.to_string());
    }
    if policies.is_empty() || (!refused.is_empty() && !run.continue_on_errors) {
        return ExitCode::FAILURE;
    }
    let (runners, others): (Vec<_>, Vec<_>) =
        policies.into_iter().partition(|(_, policy)| matches!(policy.world(), World::Runner | World::Command));
    let worlds: Vec<World> = others.iter().map(|(_, policy)| policy.world()).collect();
    let node = make_node(&agent, &run, others, !worlds.iter().all(|world| *world == World::Storage));
    let ended = match single(runners) {
        Ok(Some(runner)) => run_runner(runner, node).await,
        Ok(None) => run_loop(node).await,
        Err(names) => {
            log::plain(&format!("several runners: {names}; one at a time can be the loop of the node"));
            ExitCode::FAILURE
        }
    };
    if refused.is_empty() { ended } else { ExitCode::FAILURE }
}

/// Every component that could be made a policy, with its number, and why the others could not.
pub(crate) async fn make_policies(agent: &Agent, run: &Run) -> (Vec<(u32, Policy)>, Vec<ComponentError>) {
    let mut refused = Vec::new();
    let mut loaded: Vec<(u32, Loaded)> = Vec::new();
    for (number, source) in (0..).zip(&run.components) {
        match agent.load(source).await {
            Ok(component) => loaded.push((number, component)),
            Err(error) => refused.push(error),
        }
    }
    name_apart(&mut loaded);
    let names: Vec<&str> = loaded.iter().map(|(_, loaded)| loaded.name.as_str()).collect();
    let parameters = match parameters(&names, &run.set) {
        Ok(parameters) => parameters,
        Err(error) => {
            refused.push(error);
            return (Vec::new(), refused);
        }
    };
    let seed = run.seed.unwrap_or_else(|| getrandom::u64().unwrap_or_default());
    let mut policies = Vec::new();
    for ((number, loaded), parameters) in loaded.into_iter().zip(&parameters) {
        let made = agent.policy(loaded, parameters, run, seed ^ (u64::from(number) << 32));
        match started(made).await {
            Ok(policy) => policies.push((number, policy)),
            Err(error) => refused.push(error),
        }
    }
    (policies, refused)
}

/// Gives each component a name of its own: what is counted of one must not be taken for another's.
fn name_apart(loaded: &mut [(u32, Loaded)]) {
    for at in 1..loaded.len() {
        let (before, rest) = loaded.split_at_mut(at);
        let Some((_, own)) = rest.first_mut() else { return };
        let taken = |name: &str| before.iter().any(|(_, other)| other.name == name);
        if !taken(&own.name) {
            continue;
        }
        if let Some(name) = (2..).map(|number| format!("{}-{number}", own.name)).find(|name| !taken(name)) {
            tracing::warn!("{}: the name {} is taken, here it goes by {name}", own.path, own.name);
            own.name = name;
        }
    }
}

/// Starts a policy, so that what its `configure` refuses is said before the first tick. One that fails otherwise is tried
/// again in the ticks.
async fn started(made: Result<Policy, ComponentError>) -> Result<Policy, ComponentError> {
    let mut policy = made?;
    match policy.start().await {
        Err(Failure::Said(why)) => Err(ComponentError::Refused {
            path: policy.name().to_string(),
            why: format!("its configuration is refused: {why}"),
        }),
        Err(failure) => {
            tracing::warn!("[{}] it does not start: {failure}", policy.name());
            Ok(policy)
        }
        Ok(()) => Ok(policy),
    }
}

pub(crate) fn make_node(agent: &Agent, run: &Run, policies: Vec<(u32, Policy)>, prints: bool) -> Node {
    let mut members = Policies::default();
    for (number, policy) in policies {
        members.add(policy, number);
    }
    let ticks = run.iterations.map(|ticks| ticks.saturating_sub(agent.ticks).max(1));
    let pace = Pace::new(run.interval, ticks, agent.client.stop());
    let known = Known::new(Arc::clone(&agent.platform), Arc::clone(&agent.catalog));
    Node::new(agent.client.clone(), known, members, pace, prints)
}

fn single(mut runners: Vec<(u32, Policy)>) -> Result<Option<Policy>, String> {
    if runners.len() > 1 {
        return Err(runners.iter().map(|(_, policy)| policy.name().to_string()).collect::<Vec<_>>().join(", "));
    }
    Ok(runners.pop().map(|(_, policy)| policy))
}

/// Our own loop.
async fn run_loop(mut node: Node) -> ExitCode {
    loop {
        if let Err(error) = node.tick().await {
            tracing::error!("this tick is lost: {error}");
        }
        if !node.policies.is_anybody_left() {
            log::plain("no component is left to run: each failed too often in a row");
            return ExitCode::FAILURE;
        }
        if !node.pace.wait().await {
            break;
        }
    }
    node.flush().await;
    ExitCode::SUCCESS
}

/// A runner's own loop.
async fn run_runner(mut runner: Policy, node: Node) -> ExitCode {
    let name = runner.name().clone();
    let mut stop = node.client.stop();
    let ended = tokio::select! {
        ended = runner.run(Some(Box::new(node))) => ended,
        () = told_to_stop(&mut stop) => Ok(()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::plain(&format!("{name}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// A runner that does not ask `node.wait` is ended a while after the agent was told to.
async fn told_to_stop(stop: &mut tokio::sync::watch::Receiver<bool>) {
    // The sender lives as long as the connection; without it the agent ends too.
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}
