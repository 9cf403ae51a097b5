//! The agent's end of the connection to its warden.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};
use wca_messages::{Channel, Downward, Event, ReceiveError, Refused, Reply, Request, SendError};

/// A request was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The warden is gone, and with it every right to go on.
    #[error("the warden has ended")]
    Closed,
    /// The request could not be sent.
    #[error("asking the warden: {0}")]
    Send(#[from] SendError),
    /// The warden said no.
    #[error("the warden refused: {0}")]
    Refused(#[from] Refused),
    /// The warden answered something else.
    #[error("the warden answered something else than asked")]
    Unexpected,
}

/// An answer, with the descriptors beside it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// How often the operator has changed the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloads {
    /// There is something to build from.
    pub(crate) asked: u64,
    /// It could not be read.
    pub(crate) misread: u64,
}

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Answer>>>;

/// Asks the warden. Several requests can be under way at once; each answer finds its asker by its number.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Arc<Channel<Request, Downward>>,
    waiting: Arc<Waiting>,
    next: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
    reloads: watch::Receiver<Reloads>,
}

impl Client {
    /// Takes over the connection, with a thread that receives.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        let channel = Arc::new(Channel::new(socket));
        let waiting = Arc::<Waiting>::default();
        let (stopping, stop) = watch::channel(false);
        let (reloading, reloads) = watch::channel(Reloads::default());
        let (receiving, askers) = (Arc::clone(&channel), Arc::clone(&waiting));
        std::thread::spawn(move || receive_all(&receiving, &askers, &stopping, &reloading));
        Self { channel, waiting, next: Arc::new(AtomicU64::new(1)), stop, reloads }
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        locked(&self.waiting).insert(number, sender);
        if let Err(error) = self.channel.send(number, request, &[]) {
            locked(&self.waiting).remove(&number);
            return Err(error.into());
        }
        let answer = answer.await.map_err(|_| ClientError::Closed)?;
        match answer.reply {
            Reply::Refused(why) => Err(why.into()),
            _ => Ok(answer),
        }
    }

    /// Becomes true when the warden wants the agent to end.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Changes when the operator has changed the configuration.
    pub(crate) fn reloads(&self) -> watch::Receiver<Reloads> {
        self.reloads.clone()
    }
}

fn receive_all(
    channel: &Channel<Request, Downward>,
    waiting: &Waiting,
    stopping: &watch::Sender<bool>,
    reloading: &watch::Sender<Reloads>,
) {
    loop {
        match channel.receive() {
            Ok(incoming) => match incoming.message {
                Downward::Event(Event::Stop) => {
                    stopping.send_replace(true);
                }
                Downward::Event(Event::Reload) => reloading.send_modify(|reloads| reloads.asked += 1),
                Downward::Event(Event::Misread) => reloading.send_modify(|reloads| reloads.misread += 1),
                Downward::Reply(reply) => {
                    if let Some(asker) = locked(waiting).remove(&incoming.number) {
                        // Who asked may have given up meanwhile.
                        let _ = asker.send(Answer { reply, descriptors: incoming.descriptors });
                    }
                }
            },
            Err(ReceiveError::Malformed { number, what } | ReceiveError::Oversized { number, what }) => {
                tracing::error!("the warden sent message {number}, which was not understood: {what}");
                locked(waiting).remove(&number);
            }
            Err(_) => {
                // Nothing can be asked any more: all who wait are told, and the agent ends.
                locked(waiting).clear();
                stopping.send_replace(true);
                return;
            }
        }
    }
}

fn locked(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
