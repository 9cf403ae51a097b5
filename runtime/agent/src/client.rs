//! The agent's end of the connection to its warden.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use wca_messages::{Channel, Downward, Event, Incoming, ReceiveError, Refused, Reply, Request, SendError};

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
    /// A socket that came with an answer is of no use.
    #[error("a socket that the warden has handed over: {0}")]
    Socket(#[source] io::Error),
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
    ready: Arc<UnixStream>,
    waiting: Arc<Waiting>,
    next: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
    reloads: watch::Receiver<Reloads>,
    reopened: Arc<AtomicU64>,
}

impl Client {
    /// Takes over the connection, with a task in the runtime of the caller that receives.
    ///
    /// # Errors
    /// The runtime cannot wait for what comes.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        // Beside the channel, so that the runtime waits for the same socket; nobody reads or writes by it.
        let ready = std::os::unix::net::UnixStream::from(socket.try_clone()?);
        ready.set_nonblocking(true)?;
        let ready = Arc::new(UnixStream::from_std(ready)?);
        let channel = Arc::new(Channel::new(socket));
        let waiting = Arc::<Waiting>::default();
        let (stopping, stop) = watch::channel(false);
        let (reloading, reloads) = watch::channel(Reloads::default());
        let (receiving, to_receive) = (Arc::clone(&channel), Arc::clone(&ready));
        let askers = Arc::clone(&waiting);
        tokio::spawn(async move { receive_all((&receiving, &to_receive), &askers, &stopping, &reloading).await });
        Ok(Self { channel, ready, waiting, next: Arc::new(AtomicU64::new(1)), stop, reloads, reopened: Arc::default() })
    }

    /// How often the warden has opened the files anew, in place, that are written at their end.
    pub(crate) fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }

    /// It has done so.
    pub(crate) fn have_reopened(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        locked(&self.waiting).insert(number, sender);
        if let Err(error) = self.send(number, request).await {
            locked(&self.waiting).remove(&number);
            return Err(error.into());
        }
        let answer = answer.await.map_err(|_| ClientError::Closed)?;
        match answer.reply {
            Reply::Refused(why) => Err(why.into()),
            _ => Ok(answer),
        }
    }

    /// Sends, and waits for room where there is none.
    async fn send(&self, number: u64, request: &Request) -> Result<(), SendError> {
        loop {
            match self.channel.send(number, request, &[]) {
                Err(SendError::System(errno)) if errno.kind() == ErrorKind::WouldBlock => {}
                sent => return sent,
            }
            // So the runtime knows that there is none.
            let full: io::Result<()> = self.ready.try_io(Interest::WRITABLE, || Err(ErrorKind::WouldBlock.into()));
            if full.is_ok() || self.ready.writable().await.is_err() {
                return Err(SendError::Closed);
            }
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

/// The connection, and what tells the runtime that something has come.
type Receiving<'a> = (&'a Channel<Request, Downward>, &'a UnixStream);

/// The next message.
async fn receive((channel, ready): Receiving<'_>) -> Result<Incoming<Downward>, ReceiveError> {
    loop {
        // It fails only where the runtime ends.
        ready.readable().await.map_err(|_| ReceiveError::Closed)?;
        let received = ready.try_io(Interest::READABLE, || match channel.receive() {
            Err(ReceiveError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
            received => Ok(received),
        });
        if let Ok(received) = received {
            return received;
        }
    }
}

async fn receive_all(
    channel: Receiving<'_>,
    waiting: &Waiting,
    stopping: &watch::Sender<bool>,
    reloading: &watch::Sender<Reloads>,
) {
    loop {
        match receive(channel).await {
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
