//! How many files this process may have open.

use super::look::{available, lacking, look, silent};
use super::{Feature, Reason};
use crate::Roots;
use crate::error::excerpt;
use crate::text::{lines, number, words};

const PATH: &str = "/proc/self/limits";

/// Files that a thousand tasks have, with room.
const ENOUGH: u64 = 16_384;

const REMEDY: &str =
    "LimitNOFILE=500000 in the unit of systemd, or ulimit -Hn 500000; beyond it files are opened anew each tick";

/// The hard limit of RLIMIT_NOFILE, to which WCA raises its own, by the line `Max open files` (proc_pid_limits(5)).
pub(super) fn open_files(roots: &Roots) -> Feature {
    const NAME: &str = "open_files";
    let bytes = match look(roots, PATH) {
        Ok(bytes) => bytes,
        Err(why) => return silent(NAME, why, "mount /proc"),
    };
    let line = lines(&bytes).find_map(|line| line.strip_prefix(b"Max open files"));
    let hard = line.and_then(|line| words(line).nth(1));
    let limit = match hard {
        Some(b"unlimited") => Some(u64::MAX),
        hard => hard.and_then(number),
    };
    match (limit, hard) {
        (Some(limit), Some(hard)) => {
            let found = format!("{PATH}: at most {} files open", String::from_utf8_lossy(hard));
            if limit >= ENOUGH { available(NAME, found) } else { lacking(NAME, Reason::Low, found, REMEDY) }
        }
        _ => lacking(
            NAME,
            Reason::Malformed,
            format!("{PATH}: {}", excerpt(bytes.trim_ascii())),
            "tell us of this kernel",
        ),
    }
}
