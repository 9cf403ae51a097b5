//! How a process ended.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "ended with code {code}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "been ended by {signal}"),
                Err(_) => write!(f, "been ended by signal {number}"),
            },
        }
    }
}

/// Takes the end of a child, so that no zombie stays; none while it lives, unless `wait`.
pub(crate) fn reap(pidfd: &OwnedFd, wait: bool) -> Result<Option<Ended>, Errno> {
    let mut options = WaitIdOptions::EXITED;
    if !wait {
        options |= WaitIdOptions::NOHANG;
    }
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), options))?;
    Ok(status.map(|status| match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Exit(-1),
    }))
}
