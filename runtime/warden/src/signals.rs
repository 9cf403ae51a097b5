//! The operator's signals, as a descriptor to wait for.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{WardenError, errno_of};

/// SIGTERM, SIGINT and SIGHUP. Blocked in the thread that made this, until it is dropped.
pub(crate) struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, WardenError> {
        let set: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
        let failed = |call| move |errno| WardenError::System { call, errno: errno_of(errno) };
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(failed("pthread_sigmask"))?;
        let descriptor =
            SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(failed("signalfd"))?;
        Ok(Self { descriptor, before })
    }

    /// The next signal that came.
    pub(crate) fn next(&self) -> Option<Signal> {
        let info = self.descriptor.read_signal().ok()??;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Signals that came last are taken with it: the program is about to end anyway.
        while self.next().is_some() {}
        let _ = self.before.thread_set_mask();
    }
}
