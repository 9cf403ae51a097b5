//! The last walls of an unprivileged process, raised by itself before it reads a byte that somebody else wrote.
//!
//! The warden has taken everything that it could take before the program ran: user, groups, capabilities. Here the process
//! makes sure that it is so, and gives up all system calls that its work does not need. What the kernel then refuses is an
//! error (`EPERM`), never the end of the process, so that a library that asks for more finds another way.

mod calls;
mod filter;
mod status;

use rustix::io::Errno;
use rustix::thread::{SecureComputingMode, secure_computing_mode};

use filter::Filter;
use status::Status;

/// Why a process must not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// What the process is cannot be found out.
    #[error("{path}: {what}")]
    Status {
        /// The file that says it.
        path: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// It runs as root.
    #[error("this process runs as root; it is started by the warden, as `wca run`, which gives it a user of its own")]
    Root,
    /// It can change its user again.
    #[error("this process has the user numbers {0:?}; all must be one")]
    Users(Vec<u32>),
    /// It has capabilities.
    #[error("this process has capabilities ({0}); it is started by the warden, as `wca run`, which drops them")]
    Capabilities(String),
    /// It could gain privileges by running a program.
    #[error("this process may gain privileges (NoNewPrivs is 0); it is started by the warden, as `wca run`")]
    NewPrivileges,
    /// A filter counts for one thread only.
    #[error("this process has {0} threads already; it is confined while there is one")]
    Threads(u32),
    /// No filter could be built or loaded.
    #[error("the filter of system calls: {0}; the kernel needs CONFIG_SECCOMP_FILTER")]
    Filter(String),
    /// The filter was loaded and lets pass what it should not.
    #[error("the filter of system calls does not work: {call} says {found}, not {expected}")]
    Leaky {
        /// What was tried.
        call: &'static str,
        /// What the kernel should say.
        expected: Errno,
        /// What it said.
        found: String,
    },
}

/// A process that is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Its user.
    pub uid: u32,
}

/// Confines the agent: it computes, reads files, and speaks with its warden and over the network. It writes no file, runs no
/// program, and reaches no other process.
///
/// # Errors
/// [`ConfineError`], after which the process must end: something of the warden's work is missing, or the kernel lacks the
/// means.
pub fn confine_agent() -> Result<Confinement, ConfineError> {
    confine(&Filter::agent(), c"wca-agent")
}

/// Confines a compiler: it reads what it was given, computes, and writes to what it was given. It opens nothing at all.
///
/// # Errors
/// As [`confine_agent`].
pub fn confine_compiler() -> Result<Confinement, ConfineError> {
    confine(&Filter::compiler(), c"wca-compile")
}

fn confine(filter: &Filter, name: &std::ffi::CStr) -> Result<Confinement, ConfineError> {
    let status = Status::read()?;
    let uid = status.check()?;
    // Run by descriptor, it would be called by the descriptor's number in `ps`.
    let _ = rustix::thread::set_name(name);
    filter.load()?;
    check_filter()?;
    Ok(Confinement { uid })
}

/// Tries what every filter refuses. A filter that was loaded and does nothing would be found nowhere else.
fn check_filter() -> Result<(), ConfineError> {
    let mode = secure_computing_mode();
    if mode != Ok(SecureComputingMode::Filter) {
        let found = format!("{mode:?}");
        return Err(ConfineError::Leaky { call: "prctl(PR_GET_SECCOMP)", expected: Errno::PERM, found });
    }
    let opened = rustix::fs::open("/dev/null", rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty());
    let signalled = rustix::process::test_kill_process(rustix::process::Pid::INIT);
    for (call, errno) in [("opening /dev/null for writing", opened.err()), ("a signal for process 1", signalled.err())]
    {
        if errno != Some(Errno::PERM) {
            let found = errno.map_or_else(|| "yes".to_owned(), |errno| errno.to_string());
            return Err(ConfineError::Leaky { call, expected: Errno::PERM, found });
        }
    }
    Ok(())
}
