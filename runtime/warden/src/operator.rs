//! The operator's socket.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, chmodat, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with};
use wca_messages::{Channel, OperatorReply, OperatorRequest, ReceiveError, Refused};

use crate::rundir::{RunDir, RunDirError, SOCKET};
use crate::serve::Service;

/// Operators at once; the one that has been there longest makes room.
const CONNECTIONS: usize = 8;
/// Most bytes of a request.
const MOST: usize = 64 * 1024;

/// The operator's socket and who is connected to it.
pub(crate) struct Operator {
    socket: OwnedFd,
    connections: Vec<Connection>,
    /// Until when nobody is accepted, since the kernel could not.
    deaf_until: Option<Instant>,
    /// Removes the socket.
    _run_dir: RunDir,
}

/// What operators have asked for that concerns the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// The configuration was read again.
    Reload,
    /// It could not be read.
    Misread,
}

/// Somebody who is connected.
struct Connection {
    channel: Channel<OperatorReply, OperatorRequest>,
    /// Number of a request to reload, which is answered when the agent has answered.
    reloading: Option<u64>,
}

impl Operator {
    /// Makes the socket in the run directory, for its owner alone.
    pub(crate) fn new(run_dir: RunDir) -> Result<Self, RunDirError> {
        let failed = |errno: Errno| RunDirError::Socket { path: run_dir.path.clone(), source: errno.into() };
        match unlinkat(run_dir.folder(), SOCKET, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(failed)?;
        let address = SocketAddrUnix::new(run_dir.socket_path()).map_err(failed)?;
        bind(&socket, &address).map_err(failed)?;
        // Before it listens, so that nobody connects under another mode.
        chmodat(run_dir.folder(), SOCKET, Mode::RUSR | Mode::WUSR, AtFlags::empty()).map_err(failed)?;
        listen(&socket, 8).map_err(failed)?;
        Ok(Self { socket, connections: Vec::new(), deaf_until: None, _run_dir: run_dir })
    }

    /// What to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let socket = self.deaf_until.is_none().then(|| self.socket.as_fd());
        socket.into_iter().chain(self.connections.iter().map(|connection| connection.channel.as_fd()))
    }

    /// When to listen again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deaf_until
    }

    /// Accepts who has come, and answers one message of each; what the agent is to be told.
    pub(crate) fn serve(&mut self, service: &mut Service) -> Asked {
        let (was_pending, misread) = (service.pending.is_some(), service.misread);
        self.connections.retain_mut(|connection| connection.serve(service));
        if self.deaf_until.is_none_or(|until| Instant::now() >= until) {
            self.accept();
        }
        if !was_pending && service.pending.is_some() {
            return Asked::Reload;
        }
        if service.misread == misread { Asked::Nothing } else { Asked::Misread }
    }

    /// Answers who asked for a reload that is over now.
    pub(crate) fn reloaded(&mut self, refused: Option<String>) {
        let reply = refused.map_or(OperatorReply::Done, |why| OperatorReply::Refused(Refused::Invalid(why)));
        self.connections.retain_mut(|connection| match connection.reloading.take() {
            Some(number) => connection.channel.send(number, &reply, &[]).is_ok(),
            None => true,
        });
    }

    fn accept(&mut self) {
        self.deaf_until = None;
        match accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(connection) => self.admit(connection),
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(errno) => {
                // The connection waits, so that polling for it would not wait at all.
                tracing::warn!("the operator's socket: accept: {errno}; tried again in a second");
                self.deaf_until = Some(Instant::now() + Duration::from_secs(1));
            }
        }
    }

    fn admit(&mut self, connection: OwnedFd) {
        if !is_allowed(&connection) {
            return;
        }
        if self.connections.len() >= CONNECTIONS {
            self.connections.remove(0);
        }
        self.connections.push(Connection { channel: Channel::new(connection), reloading: None });
    }
}

/// Whether root or the warden's own user has connected. The mode of socket and folder say so too.
fn is_allowed(connection: &OwnedFd) -> bool {
    let allowed = match socket_peercred(connection) {
        Ok(peer) => peer.uid.is_root() || peer.uid == rustix::process::geteuid(),
        Err(_) => false,
    };
    if !allowed {
        tracing::warn!("somebody else's connection to the operator's socket was closed");
    }
    allowed
}

impl Connection {
    /// Answers one message, if there is one; whether the connection goes on.
    fn serve(&mut self, service: &mut Service) -> bool {
        let (number, reply) = match self.channel.receive_at_most(MOST) {
            Ok(incoming) => match answer(&incoming.message, service) {
                Some(reply) => (incoming.number, reply),
                None => {
                    self.reloading = Some(incoming.number);
                    return true;
                }
            },
            Err(ReceiveError::WouldBlock) => return true,
            Err(ReceiveError::Malformed { number, what }) => (number, OperatorReply::Refused(Refused::Malformed(what))),
            Err(ReceiveError::Oversized { number, what }) => (number, OperatorReply::Refused(Refused::Oversized(what))),
            Err(ReceiveError::Closed | ReceiveError::System(_)) => return false,
        };
        // One that does not read its answers has no use for more.
        self.channel.send(number, &reply, &[]).is_ok()
    }
}

/// The answer; none to a reload, which is answered when the agent has taken it.
fn answer(request: &OperatorRequest, service: &mut Service) -> Option<OperatorReply> {
    Some(match request {
        OperatorRequest::Explain { task } => match service.changes.find(task) {
            Ok(cgroup) => {
                let held = service.changes.explain_cgroup(&cgroup);
                let cooling = service.changes.who_cools_down(Some(&cgroup));
                OperatorReply::Explained { cgroup, held, cooling }
            }
            Err(why) => OperatorReply::Refused(Refused::Invalid(why)),
        },
        OperatorRequest::Journal => {
            let (entries, cooling) = (service.changes.journal(), service.changes.who_cools_down(None));
            OperatorReply::Journal { entries, cooling }
        }
        OperatorRequest::Restore => {
            // Its policies would ask for all of it again at the next tick.
            freeze(service);
            OperatorReply::Restored(service.changes.restore())
        }
        OperatorRequest::Freeze => {
            freeze(service);
            OperatorReply::Done
        }
        OperatorRequest::Thaw => {
            thaw(service);
            OperatorReply::Done
        }
        OperatorRequest::Reload => OperatorReply::Refused(service.renew().err()?),
    })
}

fn freeze(service: &mut Service) {
    if service.changes.freeze() {
        tracing::warn!("the operator has frozen all changes");
    }
}

fn thaw(service: &mut Service) {
    if service.changes.thaw(service.measure.platform()) {
        tracing::warn!("the operator has thawed all changes");
    }
}
