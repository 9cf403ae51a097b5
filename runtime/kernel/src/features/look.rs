//! What a probe finds at a path.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::{Feature, Reason};
use crate::error::is_absent;
use crate::files::read_file;
use crate::text::{hexadecimal, text_of};
use crate::{KernelError, Roots};

/// Why a file says nothing: how it stands, and the path with the errno.
#[derive(Debug)]
pub(super) struct Silent {
    pub(super) reason: Reason,
    pub(super) found: String,
}

/// The content of a file.
pub(super) fn look(roots: &Roots, path: impl AsRef<Path>) -> Result<Vec<u8>, Silent> {
    let path = path.as_ref();
    read_file(&roots.path(path)).map_err(|error| match &error {
        KernelError::Read { source, .. } => {
            Silent { reason: reason(source), found: format!("{}: {}", path.display(), source_text(source)) }
        }
        _ => Silent { reason: Reason::Unreadable, found: error.to_string() },
    })
}

/// How it stands with something whose file cannot be read.
fn reason(error: &io::Error) -> Reason {
    match Errno::from_io_error(error) {
        _ if is_absent(error) => Reason::Missing,
        Some(Errno::ACCESS | Errno::PERM) => Reason::Denied,
        // The kernel has it, and it is switched off at its command line, as psi=0 does.
        Some(Errno::OPNOTSUPP) => Reason::Off,
        _ => Reason::Unreadable,
    }
}

/// The words of the system without the number that Rust adds.
fn source_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// What this process may do (proc_pid_status(5), `CapEff`).
pub(super) const STATUS: &str = "/proc/self/status";

/// The capabilities of this process, as bits (include/uapi/linux/capability.h); none where the file does not say.
pub(super) fn capabilities(roots: &Roots) -> u64 {
    let status = look(roots, STATUS).unwrap_or_default();
    text_of(&status, "CapEff").and_then(|set| hexadecimal(set.as_bytes())).unwrap_or(0)
}

/// One that is there.
pub(super) fn available(name: &'static str, found: impl Into<String>) -> Feature {
    Feature { name, reason: Reason::Available, found: found.into(), remedy: String::new() }
}

/// One that is not.
pub(super) fn lacking(
    name: &'static str,
    reason: Reason,
    found: impl Into<String>,
    remedy: impl Into<String>,
) -> Feature {
    Feature { name, reason, found: found.into(), remedy: remedy.into() }
}

/// One whose file says nothing; where that is closed to this user, to be root is what it takes.
pub(super) fn silent(name: &'static str, silent: Silent, remedy: &str) -> Feature {
    let remedy = if silent.reason == Reason::Denied { "start WCA as root" } else { remedy };
    lacking(name, silent.reason, silent.found, remedy)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Errno::NOENT, Reason::Missing, "No such file or directory")]
    #[case(Errno::NODEV, Reason::Missing, "No such device")]
    #[case(Errno::ACCESS, Reason::Denied, "Permission denied")]
    #[case(Errno::PERM, Reason::Denied, "Operation not permitted")]
    #[case(Errno::OPNOTSUPP, Reason::Off, "Operation not supported")]
    #[case(Errno::IO, Reason::Unreadable, "Input/output error")]
    fn what_the_kernel_says(#[case] errno: Errno, #[case] expected: Reason, #[case] text: &str) {
        let error = io::Error::from(errno);
        assert_eq!(reason(&error), expected);
        assert!(source_text(&error).starts_with(text), "{error}");
    }

    #[test]
    fn what_is_closed_to_this_user_takes_root() {
        let denied = Silent { reason: Reason::Denied, found: "/x: Permission denied".into() };
        assert_eq!(silent("x", denied, "another kernel").remedy, "start WCA as root");
        let missing = Silent { reason: Reason::Missing, found: "/x: No such file or directory".into() };
        assert_eq!(silent("x", missing, "another kernel").remedy, "another kernel");
    }
}
