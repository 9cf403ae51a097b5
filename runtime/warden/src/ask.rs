//! The operator's end of the socket: one question to the warden that runs.

use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use wca_messages::{Channel, OperatorReply, OperatorRequest, ReceiveError, Refused, SendError};

use crate::rundir::{SOCKET, default};

/// The warden has not done what the operator asked for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers there.
    #[error("no warden answers in {path}: {errno} (--run-dir names the folder of another)")]
    Connect {
        /// The run directory.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// The question could not be sent.
    #[error("asking the warden")]
    Send(#[from] SendError),
    /// No answer came.
    #[error("the warden's answer")]
    Receive(#[from] ReceiveError),
    /// It said no.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl AskError {
    /// Whether no warden runs there, or it has ended before it answered.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Receive(ReceiveError::Closed))
    }
}

/// Asks the warden of this run directory, the usual one where none is named, and waits for its answer.
///
/// # Errors
/// [`AskError`].
pub fn ask_warden(run_dir: Option<&Path>, request: &OperatorRequest) -> Result<OperatorReply, AskError> {
    let path = run_dir.map_or_else(default, Path::to_owned);
    let failed = |errno| AskError::Connect { path: path.clone(), errno };
    let folder = open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(failed)?;
    // Short enough for every folder.
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())).map_err(failed)?;
    connect(&socket, &address).map_err(failed)?;
    let channel = Channel::<OperatorRequest, OperatorReply>::new(socket);
    channel.send(1, request, &[])?;
    match channel.receive()?.message {
        OperatorReply::Refused(why) => Err(why.into()),
        reply => Ok(reply),
    }
}
