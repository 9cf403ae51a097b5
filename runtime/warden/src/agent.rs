//! The agent's process and the connection to it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::process::{Signal, pidfd_send_signal};
use wca_messages::{Channel, Downward, Event, ReceiveError, Refused, Reply, Request, SendError, UPWARD_MAX};

use crate::error::WardenError;
use crate::serve::{Answer, Service, Session};
use crate::start::Child;

/// Messages refused in a row, after which an agent is taken for broken.
const REFUSED_IN_A_ROW: u32 = 1_000;

/// A running agent.
pub(crate) struct Agent {
    pub(crate) child: Child,
    channel: Channel<Downward, Request>,
    /// Answers that did not fit into the socket yet. Nothing is read from the agent while there are any.
    waiting: VecDeque<(u64, Downward, Option<OwnedFd>)>,
    pub(crate) session: Session,
    pub(crate) started: Instant,
    pub(crate) sampled: Instant,
    /// Its silence has been reported.
    pub(crate) reported: bool,
    /// It did not end when it was asked to.
    pub(crate) late: bool,
    refused: u32,
    /// The connection is of no use any more.
    pub(crate) closed: bool,
}

impl Agent {
    pub(crate) fn new(child: Child, channel: Channel<Downward, Request>) -> Result<Self, WardenError> {
        rustix::fs::fcntl_setfl(&channel, rustix::fs::OFlags::NONBLOCK)
            .map_err(crate::error::system("O_NONBLOCK on the agent's socket"))?;
        let now = Instant::now();
        Ok(Self {
            child,
            channel,
            waiting: VecDeque::new(),
            session: Session::default(),
            started: now,
            sampled: now,
            reported: false,
            late: false,
            refused: 0,
            closed: false,
        })
    }

    /// The socket; none when nothing comes from it any more.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        (!self.closed).then(|| self.channel.as_fd())
    }

    /// Whether answers wait for room in the socket.
    pub(crate) fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes one message and answers it.
    pub(crate) fn serve(&mut self, service: &mut Service) {
        let (number, refused) = match self.channel.receive_at_most(UPWARD_MAX) {
            Ok(incoming) => {
                let is_sample = incoming.message == Request::Sample;
                match service.serve(&mut self.session, incoming.number, incoming.message) {
                    Ok(answer) => {
                        self.refused = 0;
                        if is_sample {
                            self.sampled = Instant::now();
                            self.reported = false;
                        }
                        if let Some(answer) = answer {
                            self.answer(incoming.number, answer);
                        }
                        return;
                    }
                    Err(refused) => (incoming.number, refused),
                }
            }
            Err(ReceiveError::WouldBlock) => return,
            Err(ReceiveError::Malformed { number, what }) => (number, Refused::Malformed(what)),
            Err(ReceiveError::Oversized { number, what }) => (number, Refused::Oversized(what)),
            Err(ReceiveError::Closed) => {
                self.closed = true;
                return;
            }
            Err(ReceiveError::System(errno)) => {
                tracing::warn!("the connection to the agent: {errno}");
                self.closed = true;
                return;
            }
        };
        tracing::debug!(number, "refused a message of the agent: {refused}");
        self.refused += 1;
        if self.refused >= REFUSED_IN_A_ROW {
            tracing::error!("the agent sent {REFUSED_IN_A_ROW} messages in a row that were refused, last: {refused}");
            self.kill();
            self.closed = true;
            return;
        }
        self.answer(number, Reply::Refused(refused).into());
    }

    /// Sends an answer, after those that wait.
    pub(crate) fn answer(&mut self, number: u64, answer: Answer) {
        self.waiting.push_back((number, Downward::Reply(answer.reply), answer.descriptor));
        self.flush();
    }

    /// Tells it what it did not ask for.
    pub(crate) fn tell(&mut self, event: Event) {
        self.waiting.push_back((0, Downward::Event(event), None));
        self.flush();
    }

    /// Sends what waits, as far as the socket has room.
    pub(crate) fn flush(&mut self) {
        while let Some((number, message, descriptor)) = self.waiting.pop_front() {
            let descriptors: Vec<BorrowedFd<'_>> = descriptor.iter().map(AsFd::as_fd).collect();
            match self.channel.send(number, &message, &descriptors) {
                Ok(()) => {}
                Err(SendError::System(rustix::io::Errno::AGAIN)) => {
                    self.waiting.push_front((number, message, descriptor));
                    return;
                }
                Err(SendError::Closed) => {
                    self.closed = true;
                    return;
                }
                Err(error) => {
                    tracing::error!("an answer to the agent could not be sent: {error}");
                    self.kill();
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        // It fails only where the process has ended already.
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
    }
}
