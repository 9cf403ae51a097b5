//! The counters of one group.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::files::{open_below, reread};
use crate::resctrl::layout::Domain;
use crate::resctrl::mount::Event;
use crate::text::number;

/// The open files of a group, those of a domain together.
#[derive(Default)]
pub(super) struct Counters {
    files: Vec<Option<OwnedFd>>,
}

/// What a file said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// A number of bytes.
    Bytes(f64),
    /// `Unavailable`: not now.
    Unavailable,
    /// `Error`: the hardware refuses, or `Unassigned`: no counter is assigned to the group (mbm_assign_mode). The word.
    Refused(&'static str),
    /// Something else, of so many bytes.
    Malformed(usize),
    /// The file went, with the group or with the domain.
    Gone,
    /// The process has no descriptor left.
    Short,
    /// The kernel did not let it be read.
    Failed(Errno),
}

impl Counters {
    /// Reads one. The file stays open where `keeps` says so.
    pub(super) fn read(
        &mut self,
        dir: &OwnedFd,
        (at, domain): (usize, &Domain),
        (of, event): (usize, Event),
        keeps: bool,
        buffer: &mut Vec<u8>,
    ) -> Reading {
        let slot = at * Event::ALL.len() + of;
        if self.files.len() <= slot {
            self.files.resize_with(slot + 1, || None);
        }
        let kept = self.files[slot].take();
        let opened = kept.map_or_else(|| open_below(dir, format!("{}/{}", domain.path, event.file()).as_str()), Ok);
        let read = opened.and_then(|file| {
            let count = reread(&file, buffer)?;
            if keeps {
                self.files[slot] = Some(file);
            }
            Ok(count)
        });
        match read {
            Ok(count) => parse(&buffer[..count]),
            Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => Reading::Gone,
            Err(Errno::MFILE | Errno::NFILE) => Reading::Short,
            Err(error) => Reading::Failed(error),
        }
    }

    /// Closes all files: the domains are not those of before.
    pub(super) fn close(&mut self) {
        self.files.clear();
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn parse(bytes: &[u8]) -> Reading {
    match bytes.trim_ascii() {
        b"Unavailable" => Reading::Unavailable,
        b"Error" => Reading::Refused("Error"),
        b"Unassigned" => Reading::Refused("Unassigned"),
        digits => number(digits).map_or(Reading::Malformed(bytes.len()), |bytes| Reading::Bytes(bytes as f64)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0\n", Reading::Bytes(0.0))]
    #[case("19660800\n", Reading::Bytes(19_660_800.0))]
    #[case("Unavailable\n", Reading::Unavailable)]
    #[case("Error\n", Reading::Refused("Error"))]
    #[case("Unassigned\n", Reading::Refused("Unassigned"))]
    #[case("", Reading::Malformed(0))]
    #[case("-1\n", Reading::Malformed(3))]
    #[case("12 34\n", Reading::Malformed(6))]
    fn readings(#[case] text: &str, #[case] expected: Reading) {
        assert_eq!(parse(text.as_bytes()), expected);
    }
}
