//! What stands in a file that somebody else writes: fetched as bytes, which nobody here reads, and looked at again only where
//! it may have changed.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Most bytes of a file that is handed on.
pub(crate) const LARGEST: u64 = 4 << 20;

/// Whether a name may be a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// What the link names is meant.
    Followed,
    /// It is no file.
    Refused,
}

/// By what a change is found without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    Missing,
    /// Device, inode, size, and when it was written and changed.
    There([u64; 3], [i64; 4]),
}

impl Stamp {
    /// When the file was written, in whole seconds since 1970; none where there is none.
    pub(crate) fn written_at(&self) -> Option<i64> {
        match self {
            Self::Missing => None,
            Self::There(_, [written, ..]) => Some(*written),
        }
    }
}

/// The stamp of a file; none where it cannot be told.
pub(crate) fn stamp(path: &Path, links: Links) -> Option<Stamp> {
    let found = match links {
        Links::Followed => fs::metadata(path),
        Links::Refused => fs::symlink_metadata(path),
    };
    match found {
        Ok(found) => Some(Stamp::There(
            [found.dev(), found.ino(), found.size()],
            [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()],
        )),
        Err(error) if is_missing(&error) => Some(Stamp::Missing),
        Err(_) => None,
    }
}

/// The bytes of a file that passes the check.
pub(crate) fn content(
    path: &Path,
    links: Links,
    check: impl FnOnce(&Metadata) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    // What is no file must neither be waited for nor lead elsewhere.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = if links == Links::Refused { flags | OFlags::NOFOLLOW } else { flags };
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    check(&found)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it has more than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// Whether a file is not there, as against one that cannot be read.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
