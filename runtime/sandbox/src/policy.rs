//! A configured component, called each tick; made anew after a failure, left alone after too many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use wca_config::{Node, Place};
use wca_model::{Batch, Outcome, Platform, Roster, Snapshot};

use crate::component::{Component, Linked, LoadError};
use crate::configure::{Arguments, ConfigureError};
use crate::contract::World;
use crate::engine::Sandbox;
use crate::failure::Failure;
use crate::grants::Grants;
use crate::host::node::NodeAccess;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::located;
use crate::outgoing::{HttpStops, Outgoing};
use crate::state::{Given, LogLevel, LogLine, LogSink, Said};
use crate::text::printable;

/// Name of a policy in logs, metrics and YAML.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyName(Arc<str>);

impl From<&str> for PolicyName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::ops::Deref for PolicyName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// What a policy is surrounded by: everything but its component.
#[derive(Clone)]
pub struct Surroundings {
    /// Its name.
    pub name: PolicyName,
    /// Where it runs.
    pub sandbox: Sandbox,
    /// What it may use.
    pub limits: Limits,
    /// What it is granted.
    pub grants: Grants,
    /// Where its lines go.
    pub log: Arc<dyn LogSink>,
    /// The machine, as `configure` sees it.
    pub platform: Arc<Platform>,
    /// Seed of its random numbers.
    pub seed: u64,
    /// The time that it sees before its first snapshot, in seconds since 1970.
    pub now: f64,
}

/// Where arguments come from that change while a policy runs.
#[async_trait]
pub trait ArgumentSource: Send {
    /// All arguments of the policy, where any has changed since this was asked last.
    async fn renewed(&mut self) -> Option<Arc<Node>>;
}

/// Why a policy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The component was refused.
    #[error("{name}: {source}")]
    Load {
        /// The policy.
        name: PolicyName,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// What the operator wrote does not fit its constructor.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
}

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// Whether it ended as it should.
    pub result: Result<(), Failure>,
    /// What the policy said; of a call that failed, nothing counts.
    pub said: Said,
    /// Wall-clock time that it took.
    pub took: Duration,
    /// Whether it is the first that ended well since an instance was lost: this one knows nothing of what that had asked for.
    pub begins_anew: bool,
    /// Set when this failure was one too many, to their number in a row: the policy is not called any more.
    pub quarantined: Option<u64>,
}

/// A configured component.
pub struct Policy {
    component: Component,
    linked: Linked,
    around: Surroundings,
    arguments: Arguments,
    outgoing: Arc<Outgoing>,
    source: Option<Box<dyn ArgumentSource>>,
    instance: Option<Instance>,
    seen: Option<Arc<Roster>>,
    /// An instance was lost, and none after it has ended a call well.
    has_lost_one: bool,
    failures: u64,
    not_before: Option<Instant>,
}

/// Wall-clock time of a storage's call where the operator names none.
const STORAGE_DEADLINE: Duration = Duration::from_secs(2);

/// Longest wait between two starts of a policy that fails.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

impl Policy {
    /// Links a component and fits what the operator wrote onto its constructor. Nothing of it runs yet.
    ///
    /// # Errors
    /// [`MakeError`].
    pub fn new(component: Component, around: Surroundings, settings: &Arc<Node>) -> Result<Self, MakeError> {
        let linked = component
            .link(&around.sandbox, &around.grants)
            .map_err(|source| MakeError::Load { name: around.name.clone(), source })?;
        let arguments = Arguments::fit(&around.name, component.constructor.as_ref(), settings)?;
        let outgoing = Arc::new(Outgoing::new(&around.grants));
        Ok(Self {
            component,
            linked,
            around,
            arguments,
            outgoing,
            source: None,
            instance: None,
            seen: None,
            has_lost_one: false,
            failures: 0,
            not_before: None,
        })
    }

    /// Hands in what comes from there, before each call of a detector, an allocator or a storage. Where it does not fit, or the
    /// policy refuses it, that is said in its log, and what it had stays.
    pub fn follow(&mut self, source: Box<dyn ArgumentSource>) {
        self.source = Some(source);
    }

    /// Where the argument was written whose path a message of the policy begins with, such as `rules[2].name: …`.
    #[must_use]
    pub fn place_of(&self, message: &str) -> Option<Place> {
        located::place_of(&self.arguments.settings, message).cloned()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &PolicyName {
        &self.around.name
    }

    /// What it is.
    #[must_use]
    pub fn world(&self) -> World {
        self.component.world
    }

    /// Wall-clock time that a call may take at this interval. The tick does not wait for a storage, which may need to hear from
    /// a server.
    #[must_use]
    pub fn deadline_at(&self, interval: Duration) -> Duration {
        match (self.component.world, self.around.limits.deadline) {
            (World::Storage, None) => STORAGE_DEADLINE,
            _ => self.around.limits.deadline_at(interval),
        }
    }

    /// Bytes of its instance's memories and tables; 0 without an instance.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.instance.as_ref().map_or(0, Instance::memory)
    }

    /// What was refused or cut off of its HTTP requests; it is counted there at once, whatever becomes of the policy.
    #[must_use]
    pub fn http_stops(&self) -> Arc<HttpStops> {
        Arc::clone(&self.outgoing.stops)
    }

    /// Whether it failed so often in a row that it is not called any more.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.failures >= self.around.limits.quarantine_after
    }

    /// Whether it may be called: neither quarantined nor waiting after a failure.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_quarantined() && self.not_before.is_none_or(|moment| Instant::now() >= moment)
    }

    /// Another one of its name has asked for changes, of which it knows nothing: its first call that ends well begins anew.
    pub fn follows_another(&mut self) {
        self.has_lost_one = true;
    }

    /// Instantiates and configures it now, so that what is wrong is said before the first tick.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn start(&mut self) -> Result<(), Failure> {
        if self.instance.is_none() {
            let started =
                Instance::start(&self.component, &self.linked, &self.around, &self.arguments, &self.outgoing).await?;
            self.instance = Some(started);
            self.seen = None;
        }
        Ok(())
    }

    /// Calls a detector or an allocator.
    pub async fn decide(&mut self, snapshot: Arc<Snapshot>, outcomes: Vec<Outcome>, allowed: Duration) -> Called {
        let given = Given { snapshot: Some(snapshot), seen: None, outcomes, batch: None };
        self.call(given, allowed).await
    }

    /// Calls a storage.
    pub async fn store(&mut self, batch: Batch, allowed: Duration) -> Called {
        let given = Given {
            snapshot: Some(Arc::clone(batch.snapshot())),
            seen: None,
            outcomes: Vec::new(),
            batch: Some(batch),
        };
        self.call(given, allowed).await
    }

    /// Runs a runner to its end.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run(&mut self, node: Option<Box<dyn NodeAccess>>) -> Result<(), Failure> {
        self.start().await?;
        match self.instance.take() {
            Some(mut instance) => instance.run(node).await,
            None => Ok(()),
        }
    }

    async fn call(&mut self, mut given: Given, allowed: Duration) -> Called {
        let begun = Instant::now();
        let roster = given.snapshot.as_ref().map(|snapshot| Arc::clone(&snapshot.roster));
        self.renew().await;
        let (result, said) = match self.start().await {
            Err(failure) => (Err(failure), Said::default()),
            Ok(()) => {
                given.seen = self.seen.take();
                self.call_instance(given, allowed).await
            }
        };
        self.seen = roster;
        let quarantined = self.count(&result);
        let begins_anew = result.is_ok() && std::mem::take(&mut self.has_lost_one);
        Called { result, said, took: begun.elapsed(), begins_anew, quarantined }
    }

    /// Takes what has changed of its arguments.
    async fn renew(&mut self) {
        let Some(source) = &mut self.source else { return };
        let Some(settings) = source.renewed().await else { return };
        if let Err(why) = self.hand_in(&settings).await {
            let text = format!("new arguments are not taken, and the old ones stay: {why}");
            let text = printable(&text, usize::try_from(self.around.limits.log_line).unwrap_or(usize::MAX));
            self.around.log.write(LogLine { policy: self.around.name.clone(), level: LogLevel::Error, text });
        }
    }

    /// Configures it with other arguments; the error is why they are not taken.
    async fn hand_in(&mut self, settings: &Arc<Node>) -> Result<(), String> {
        let fitted = Arguments::fit(&self.around.name, self.component.constructor.as_ref(), settings);
        let arguments = fitted.map_err(|error| error.to_string())?;
        let told = |failure: Failure| match failure {
            Failure::Said(why) => located::located(settings, &why),
            other => other.to_string(),
        };
        let instance = match self.instance.take() {
            None => {
                self.seen = None;
                Instance::start(&self.component, &self.linked, &self.around, &arguments, &self.outgoing)
                    .await
                    .map_err(told)?
            }
            Some(mut instance) => {
                if let Err(failure) = instance.configure(&arguments).await {
                    // One that has refused may have kept half of it.
                    if failure.spares_instance() && instance.configure(&self.arguments).await.is_ok() {
                        self.instance = Some(instance);
                    }
                    self.has_lost_one |= self.instance.is_none();
                    return Err(told(failure));
                }
                instance
            }
        };
        self.instance = Some(instance);
        self.arguments = arguments;
        Ok(())
    }

    async fn call_instance(&mut self, given: Given, allowed: Duration) -> (Result<(), Failure>, Said) {
        let Some(mut instance) = self.instance.take() else { return (Ok(()), Said::default()) };
        let (result, said) = instance.call(given, allowed).await;
        if result.as_ref().is_err_and(|failure| !failure.spares_instance()) {
            return (result, said.of_stopped());
        }
        match instance.may_be_recycled(&self.component, allowed).await {
            Ok(true) => {}
            Ok(false) => self.instance = Some(instance),
            Err(failure) => return (Err(failure), said.of_stopped()),
        }
        (result, said)
    }

    /// Counts failures that cost the instance; their number where this one was one too many. A storage is not to blame for a
    /// server that is slow, and must be there when that has recovered.
    fn count(&mut self, result: &Result<(), Failure>) -> Option<u64> {
        match result {
            Err(failure) if self.component.world == World::Storage && failure.is_of_waiting() => {
                self.has_lost_one = true;
                None
            }
            Err(failure) if !failure.spares_instance() => {
                self.failures += 1;
                self.has_lost_one = true;
                let doublings = u32::try_from(self.failures - 1).unwrap_or(u32::MAX).min(20);
                let wait = Duration::from_millis(100).saturating_mul(1 << doublings).min(LONGEST_BACK_OFF);
                // The first failure may be an accident: the next tick tries again.
                self.not_before = (self.failures > 1).then(|| Instant::now() + wait);
                (self.failures == self.around.limits.quarantine_after).then_some(self.failures)
            }
            _ => {
                self.failures = 0;
                self.not_before = None;
                None
            }
        }
    }
}
