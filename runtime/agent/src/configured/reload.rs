//! Reading the configuration again while the node goes on: built beside what runs, and swapped between two ticks.

use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use wca_messages::{Reply, Request};

use crate::client::{ClientError, Reloads};
use crate::configured::build::{Built, build};
use crate::configured::swap::Running;
use crate::entry::Agent;
use crate::node::Node;
use crate::own::ConfigState;
use crate::settings::{Job, Settings};
use crate::storages;
use crate::workers;

/// Most of what is wrong with a file that is shown of a reload.
const MOST_TEXT: usize = 64 << 10;

/// Where the configuration can change.
pub(crate) struct Reloading {
    agent: Agent,
    running: Arc<Mutex<Running>>,
    state: ConfigState,
    reloads: watch::Receiver<Reloads>,
    /// Those that were seen to.
    seen: Reloads,
    building: Option<JoinHandle<Result<Renewed, Renewal>>>,
    /// What the last building came to, until it is taken.
    finished: Option<Result<Result<Renewed, Renewal>, JoinError>>,
}

/// What was built from a new reading.
struct Renewed {
    generation: u64,
    settings: Settings,
    hash: u64,
    built: Built,
    /// How long what is on its way to files is waited for.
    files_until: Instant,
}

/// Why nothing was built.
enum Renewal {
    /// The file is wrong; the text says how.
    Refused { generation: u64, text: String },
    /// The warden has nothing new, or is gone.
    Lost(String),
}

impl Reloading {
    pub(crate) fn new(agent: Agent, text: &str, running: Running) -> Self {
        let state = ConfigState { hash: hash(text), taken: true, taken_at: now() };
        let reloads = agent.client.reloads();
        let (running, seen) = (Arc::new(Mutex::new(running)), Reloads::default());
        Self { agent, running, state, reloads, seen, building: None, finished: None }
    }

    /// The state of the configuration.
    pub(crate) fn state(&self) -> ConfigState {
        self.state
    }

    /// Waits until there is something to do: the operator has changed the file, or what it says has been built. Can be
    /// given up at any time.
    pub(crate) async fn ready(&mut self) {
        if let Some(building) = &mut self.building {
            self.finished = Some(building.await);
            self.building = None;
        } else if self.reloads.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Begins to build, or puts what was built into the place of what runs.
    pub(crate) async fn go_on(&mut self, node: &mut Node) {
        let Some(finished) = self.finished.take() else {
            let now = *self.reloads.borrow_and_update();
            let before = std::mem::replace(&mut self.seen, now);
            if now.misread != before.misread {
                self.state.taken = false;
                self.agent.client.have_reopened();
            }
            if now.asked != before.asked {
                let (agent, running) = (self.agent.clone(), Arc::clone(&self.running));
                let storages = Arc::clone(&node.storages);
                // Who is called no more gets another chance, also where nothing has changed in the file.
                let mut quarantined: Vec<String> = node.policies.quarantined().map(ToString::to_string).collect();
                let now = storages.lock().unwrap_or_else(PoisonError::into_inner).clone();
                quarantined.extend(now.quarantined().map(ToString::to_string));
                self.building = Some(workers::spawn(async move {
                    running.lock().await.forget(&quarantined);
                    renew(&agent, &running).await
                }));
            }
            return;
        };
        let settled = match finished {
            Ok(Ok(renewed)) => match self.unless_files_wait(node, renewed) {
                Some(renewed) => self.take(node, renewed).await,
                None => return,
            },
            Ok(Err(Renewal::Refused { generation, text })) => self.refuse(generation, text).await,
            Ok(Err(Renewal::Lost(why))) => {
                tracing::error!("the configuration was not read again: {why}");
                self.state.taken = false;
                Ok(())
            }
            Err(error) => self.give_up(&format!("the runtime failed while it built from the file: {error}")).await,
        };
        if let Err(error) = settled {
            tracing::error!("telling the warden of a reload: {error}");
        }
    }

    /// Has it come back later where something is on its way to files, while ticks go on: when the new reading is in force the
    /// warden has forgotten the old one's. Asked again each time, since meanwhile another tick may have ended.
    fn unless_files_wait(&mut self, node: &Node, renewed: Renewed) -> Option<Renewed> {
        let files = node.storages.lock().unwrap_or_else(PoisonError::into_inner).files.clone();
        if files.iter().all(|file| file.is_idle()) || Instant::now() >= renewed.files_until {
            return Some(renewed);
        }
        self.building = Some(workers::spawn(async move {
            storages::flush(&files, renewed.files_until).await;
            Ok(renewed)
        }));
        None
    }

    async fn take(&mut self, node: &mut Node, renewed: Renewed) -> Result<(), ClientError> {
        let Renewed { generation, settings, hash, mut built, .. } = renewed;
        let (view, interval) = (built.take_view(), built.interval);
        let notes = std::mem::take(&mut built.notes);
        let memory = std::mem::take(&mut built.memory);
        // It fails before it has changed anything, and then nothing else may change.
        let swapped = self.running.lock().await.swap(node, built).await;
        if let Err(error) = swapped {
            return self.refuse(generation, error.to_string()).await;
        }
        node.known.look(view);
        node.memory = memory;
        node.pace.set_interval(interval);
        for note in &notes {
            tracing::warn!("{note}");
        }
        self.agent.log.set(settings.levels);
        self.state = ConfigState { hash, taken: true, taken_at: now() };
        self.settle(generation, None).await
    }

    /// Ends a reload of which nothing is known any more: the warden would wait for its end, and take no other.
    async fn give_up(&mut self, why: &str) -> Result<(), ClientError> {
        match self.agent.client.ask(&Request::Renew).await?.reply {
            Reply::Renewed { generation, .. } => self.refuse(generation, why.to_owned()).await,
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Nothing of what was read comes into force.
    async fn refuse(&mut self, generation: u64, why: String) -> Result<(), ClientError> {
        self.state.taken = false;
        self.settle(generation, Some(why)).await?;
        self.agent.client.have_reopened();
        Ok(())
    }

    async fn settle(&mut self, generation: u64, refused: Option<String>) -> Result<(), ClientError> {
        let refused = refused.map(|text| text.chars().take(MOST_TEXT).collect());
        self.agent.client.ask(&Request::Settle { generation, refused }).await.map(drop)
    }
}

async fn renew(agent: &Agent, running: &Mutex<Running>) -> Result<Renewed, Renewal> {
    let lost = |error: ClientError| Renewal::Lost(error.to_string());
    let answer = agent.client.ask(&Request::Renew).await.map_err(lost)?;
    let Reply::Renewed { generation, settings } = answer.reply else { return Err(lost(ClientError::Unexpected)) };
    let refused = |text: String| Renewal::Refused { generation, text };
    let settings = Settings::decode(&settings).map_err(|error| refused(error.to_string()))?;
    let Job::Configured(configured) = &settings.job else {
        return Err(refused("the new settings are of no configuration file".into()));
    };
    let hash = hash(&configured.text);
    let running = running.lock().await;
    let built = build(agent, configured, &running).await.map_err(refused)?;
    if built.once {
        let text = "an interval of null, which is one iteration, cannot be begun by a reload".to_owned();
        return Err(refused(text));
    }
    if !running.has_runner(built.runner_identity.as_deref()) {
        let text =
            "the runner is a component, which has its own loop: another one, or other arguments, take a new start";
        return Err(refused(text.into()));
    }
    Ok(Renewed { generation, hash, built, settings, files_until: Instant::now() + storages::FLUSH })
}

/// First 48 bits of the text's SHA-256.
fn hash(text: &str) -> u64 {
    Sha256::digest(text.as_bytes()).iter().take(6).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
