//! What ends a warden.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::start::Step;

/// The warden cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WardenError {
    /// A file without which there is no agent cannot be opened.
    #[error("opening {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file that the operator named for what is stored cannot be had.
    #[error("{path} cannot be written: {errno}")]
    Output {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// What the operator named for what is stored is nothing that could be written at its end.
    #[error("{path} cannot be written: it is {what}")]
    UnfitOutput {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// In the place of such a file stands a link that somebody else can lead elsewhere.
    #[error(
        "{path} cannot be written: it is a link of user {owner}, who can lead it anywhere; only links of root and of WCA's \
         own user are followed"
    )]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// An argument holds a NUL byte.
    #[error("the argument {0:?} holds a NUL byte")]
    Argument(String),
    /// No process could be started.
    #[error("starting {what}: {step}: {errno}{}", step.hint(*errno))]
    Start {
        /// What should be started.
        what: &'static str,
        /// At which step it failed.
        step: Step,
        /// What the kernel said.
        errno: Errno,
    },
    /// An address at which the operator wants to be asked.
    #[error("nobody can listen at {address}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The agent's user cannot be had.
    #[error(transparent)]
    User(#[from] crate::user::UserError),
    /// The run directory cannot be had.
    #[error(transparent)]
    RunDir(#[from] crate::rundir::RunDirError),
    /// The agent ends again and again before it says a word.
    #[error(
        "the agent has ended {starts} times in a row before its first message, last: {last}; its reason stands above"
    )]
    Mute {
        /// Number of starts.
        starts: u32,
        /// How it ended the last time.
        last: String,
    },
    /// The machine cannot be read at all.
    #[error(transparent)]
    Kernel(#[from] wca_kernel::KernelError),
    /// Changes cannot be made.
    #[error(transparent)]
    Control(#[from] wca_control::ControlError),
    /// The groups of resctrl cannot be what the operator wants.
    #[error("resctrl: {0}")]
    Resctrl(String),
    /// There is no folder for a journal.
    #[error(
        "changes need a journal, so that they can be taken back, and its folder cannot be had; the reason stands above \
         (--run-dir names another folder, `mode: shadow` changes nothing)"
    )]
    NoJournal,
    /// Another warden has the folder with the journal.
    #[error(
        "another WCA runs with {path}, and one at a time changes this machine: end it first (--run-dir names another \
         folder, `mode: shadow` changes nothing)"
    )]
    Beside {
        /// The folder.
        path: PathBuf,
    },
    /// A system call without which there is no warden.
    #[error("{call}: {errno}")]
    System {
        /// The call.
        call: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
}

/// Adds the name of the call to what the kernel said.
pub(crate) fn system(call: &'static str) -> impl FnOnce(Errno) -> WardenError {
    move |errno| WardenError::System { call, errno }
}

/// nix has an error type of its own for the same numbers.
pub(crate) fn errno_of(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}
