//! `wca run --component`: components, each interval, until they or the operator are done.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wca_sandbox::{Failure, Policy, World};

use crate::entry::Agent;
use crate::file_arguments::FileArguments;
use crate::load::{ComponentError, Loaded, parameters};
use crate::log;
use crate::node::Node;
use crate::pace::Pace;
use crate::policies::{Member, Policies};
use crate::roster::{Known, View};
use crate::settings::{NamedInput, Rights, Run};
use crate::storages::Storages;

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
    let mut node = make_node(&agent, &run, others);
    node.prints = !node.policies.members.is_empty();
    agent.begin().await;
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
    let (mut loaded, mut refused) = load_all(agent, run).await;
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
    let rights = Rights { limits: run.limits.clone(), grants: run.grants.clone() };
    let inputs: Arc<[NamedInput]> = run.inputs.as_slice().into();
    let mut starting = JoinSet::new();
    for ((number, loaded), parameters) in loaded.into_iter().zip(&parameters) {
        let (agent, parameters, rights) = (agent.clone(), Arc::clone(parameters), rights.clone());
        let (seed, inputs) = (seed ^ (u64::from(number) << 32), Arc::clone(&inputs));
        starting.spawn(async move {
            let made = make(&agent, loaded, &parameters, &rights, seed, &inputs).await;
            (number, started(made).await)
        });
    }
    let (policies, not_started) = sorted(starting.join_all().await);
    refused.extend(not_started);
    (policies, refused)
}

/// Loads all components at once, so that one that takes long to compile keeps no other waiting.
async fn load_all(agent: &Agent, run: &Run) -> (Vec<(u32, Loaded)>, Vec<ComponentError>) {
    let mut loading = JoinSet::new();
    for (number, source) in (0..).zip(run.components.clone()) {
        let agent = agent.clone();
        loading.spawn(async move { (number, agent.load(&source).await) });
    }
    sorted(loading.join_all().await)
}

/// What succeeded, with its number, and why the rest did not, both in the order of the command line.
fn sorted<T>(mut results: Vec<(u32, Result<T, ComponentError>)>) -> (Vec<(u32, T)>, Vec<ComponentError>) {
    results.sort_by_key(|(number, _)| *number);
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for (number, result) in results {
        match result {
            Ok(value) => good.push((number, value)),
            Err(error) => refused.push(error),
        }
    }
    (good, refused)
}

/// Gives each component a name of its own: what is counted of one must not be taken for another's.
fn name_apart(loaded: &mut [(u32, Loaded)]) {
    for at in 1..loaded.len() {
        let (before, rest) = loaded.split_at_mut(at);
        let Some((_, own)) = rest.first_mut() else { return };
        let taken: Vec<&str> = before.iter().map(|(_, other)| other.name.as_str()).collect();
        if let Some(name) = free_name(&own.name, &taken) {
            tracing::warn!("{}: the name {} is taken, here it goes by {name}", own.path, own.name);
            own.name = name;
        }
    }
}

/// Another name, where this one is taken.
pub(crate) fn free_name(name: &str, taken: &[&str]) -> Option<String> {
    if !taken.contains(&name) {
        return None;
    }
    (2..).map(|number| format!("{name}-{number}")).find(|name| !taken.contains(&name.as_str()))
}

/// Makes a policy, with the files that its arguments name.
async fn make(
    agent: &Agent,
    loaded: Loaded,
    parameters: &Arc<wca_config::Node>,
    rights: &Rights,
    seed: u64,
    inputs: &[NamedInput],
) -> Result<Policy, ComponentError> {
    let files = FileArguments::read(&agent.client, &loaded.name, &loaded.component, parameters, inputs).await?;
    let arguments = files.as_ref().map_or_else(|| Arc::clone(parameters), FileArguments::arguments);
    let mut policy = agent.policy(loaded, &arguments, rights, seed)?;
    if let Some(files) = files {
        policy.follow(Box::new(files));
    }
    Ok(policy)
}

/// Starts a policy, so that what its `configure` refuses is said before the first tick.
async fn started(made: Result<Policy, ComponentError>) -> Result<Policy, ComponentError> {
    let mut policy = made?;
    match start(&mut policy).await {
        Ok(()) => Ok(policy),
        Err(why) => {
            let place = policy.place_of(&why).map(|place| format!("{place}: ")).unwrap_or_default();
            let why = format!("its configuration is refused: {place}{why}");
            Err(ComponentError::Refused { path: policy.name().to_string(), why })
        }
    }
}

/// Starts a policy; the error is what its `configure` refuses. One that fails otherwise is tried again in the ticks.
pub(crate) async fn start(policy: &mut Policy) -> Result<(), String> {
    match policy.start().await {
        Err(Failure::Said(why)) => return Err(why),
        Err(failure) => tracing::warn!("[{}] it does not start: {failure}", policy.name()),
        Ok(()) => {}
    }
    Ok(())
}

/// A node whose tasks are all cgroups that hold processes.
pub(crate) fn make_node(agent: &Agent, run: &Run, policies: Vec<(u32, Policy)>) -> Node {
    let (storages, others): (Vec<_>, Vec<_>) =
        policies.into_iter().partition(|(_, policy)| policy.world() == World::Storage);
    let members: Vec<Member> = others.into_iter().map(|(number, policy)| Member::new(policy, number)).collect();
    let storages = Storages::of_guests(storages.into_iter().map(|(_, policy)| policy).collect(), run.interval);
    let ticks = run.iterations.map(|ticks| ticks.saturating_sub(agent.ticks).max(1));
    let pace = Pace::new(run.interval, ticks, agent.client.stop());
    let policies = Policies { members };
    let view = View { heeds_kubelet: policies.has_allocator(), ..View::everything() };
    let known = Known::new(Arc::clone(&agent.platform), Arc::clone(&agent.catalog), view);
    Node::new(agent.client.clone(), known, policies, storages, pace)
}

fn single(mut runners: Vec<(u32, Policy)>) -> Result<Option<Policy>, String> {
    if runners.len() > 1 {
        return Err(runners.iter().map(|(_, policy)| policy.name().to_string()).collect::<Vec<_>>().join(", "));
    }
    Ok(runners.pop().map(|(_, policy)| policy))
}

/// Our own loop.
pub(crate) async fn run_loop(mut node: Node) -> ExitCode {
    loop {
        if let Err(error) = node.tick().await {
            tracing::error!("this tick is lost: {error}");
        }
        if !node.is_anybody_left() {
            log::plain("no component is left to run: each failed too often in a row");
            return ExitCode::FAILURE;
        }
        if !node.wait_for_next().await {
            break;
        }
    }
    end(&node.storages).await
}

/// A runner's own loop.
pub(crate) async fn run_runner(mut runner: Policy, node: Node) -> ExitCode {
    let name = runner.name().clone();
    let (mut stop, storages) = (node.client.stop(), Arc::clone(&node.storages));
    let ended = tokio::select! {
        ended = runner.run(Some(Box::new(node))) => ended,
        () = told_to_stop(&mut stop, &storages) => Ok(()),
    };
    let code = end(&storages).await;
    match ended {
        Ok(()) => code,
        Err(failure) => {
            log::plain(&format!("{name}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Waits for what is on its way to the storages; a failure where one of them has ended the loop.
async fn end(storages: &Mutex<Storages>) -> ExitCode {
    let storages = storages.lock().unwrap_or_else(PoisonError::into_inner).clone();
    storages.finish().await;
    match storages.given_up() {
        Some(name) => {
            log::plain(&format!(
                "{name}: its metrics could not be stored, after which the agent ends (on_failure: exit)"
            ));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// A runner that does not ask `node.wait` is ended a while after the agent was told to, or a storage has failed by which it is to
/// end.
async fn told_to_stop(stop: &mut watch::Receiver<bool>, storages: &Mutex<Storages>) {
    tokio::select! {
        // The sender lives as long as the connection; without it the agent ends too.
        _ = stop.wait_for(|stop| *stop) => {}
        () = one_gives_up(storages) => {}
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Waits until one of the storages that there are then has failed and is to end the agent, perhaps for ever.
async fn one_gives_up(storages: &Mutex<Storages>) {
    loop {
        let now = storages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::select! {
            () = now.one_gives_up() => return,
            () = now.replaced.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use wca_model::{DeliveryTerms, OnStorageFailure};
    use wca_storage::Delivery;

    use super::*;
    use crate::testing::{Gate, batch};

    fn exiting(gate: &Gate) -> Storages {
        let terms = DeliveryTerms { on_failure: OnStorageFailure::Exit, ..DeliveryTerms::default() };
        Storages { deliveries: vec![Arc::new(Delivery::new("exits", terms, gate.clone()))], ..Storages::default() }
    }

    #[tokio::test]
    async fn a_runner_that_asks_for_nothing_is_ended_by_a_storage_that_gives_up_also_after_a_reload() {
        let (_stopping, mut stop) = watch::channel(false);
        let (first, second) = (Gate::new(0), Gate::new(0));
        let storages = Arc::new(Mutex::new(exiting(&first)));
        let shared = Arc::clone(&storages);
        let waiting = tokio::spawn(async move { told_to_stop(&mut stop, &shared).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = std::mem::replace(&mut *storages.lock().unwrap(), exiting(&second));
        before.replaced.notify_one();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        storages.lock().unwrap().deliveries[0].send(batch());
        second.0.close();
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap();
    }
}
