//! Reading files of the kernel.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, pread, retry_on_intr};
use rustix::path::Arg;

use crate::KernelError;
use crate::error::{excerpt, is_absent};

/// Largest file that is read at all. /proc/stat of a machine with thousands of processors stays below.
const LARGEST: usize = 4 << 20;

/// Opens a file for reading below a directory.
pub(crate) fn open_below(dir: impl AsFd, path: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    retry_on_intr(|| openat(dir.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))
}

/// Reads a file from its beginning through a descriptor that stays open; the buffer grows to hold it.
///
/// The kernel produces a file of one record (everything that the tick reads) whole at each read from its beginning, so one
/// call is enough and its answer is of one moment. Files that it produces record by record (cgroup.procs, /proc/vmstat)
/// can come in parts and are not for this function.
pub(crate) fn reread(file: impl AsFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    loop {
        let read = retry_on_intr(|| pread(file.as_fd(), buffer.as_mut_slice(), 0))?;
        if read < buffer.len() {
            return Ok(read);
        }
        if buffer.len() >= LARGEST {
            return Err(Errno::FBIG);
        }
        buffer.resize((buffer.len() * 2).max(4_096), 0);
    }
}

/// Like [`reread`], for files that the kernel may produce record by record, however large the buffer (seq_read_iter of
/// fs/seq_file.c): /proc/vmstat has a record per number, /proc/zoneinfo one per node.
pub(crate) fn reread_parts(file: impl AsFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    let mut count = 0;
    loop {
        if count == buffer.len() {
            if buffer.len() >= LARGEST {
                return Err(Errno::FBIG);
            }
            buffer.resize((buffer.len() * 2).max(4_096), 0);
        }
        match retry_on_intr(|| pread(file.as_fd(), &mut buffer[count..], count as u64))? {
            0 => return Ok(count),
            read => count += read,
        }
    }
}

/// The whole of a file, for what is read once.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, KernelError> {
    let failed = |source: io::Error| KernelError::Read { path: path.to_owned(), source };
    // Room for most of them, since without it the first reads are of a few bytes each.
    let mut bytes = Vec::with_capacity(4_096);
    File::open(path).and_then(|file| file.take(LARGEST as u64).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// The whole of a file; none where it is not there, or not any more.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, KernelError> {
    match read_file(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(KernelError::Read { source, .. }) if is_absent(&source) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What `parse` finds in a file; none where the file is not there.
pub(crate) fn parse_optional<T>(
    path: &Path,
    expected: &'static str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, KernelError> {
    let Some(bytes) = read_optional(path)? else { return Ok(None) };
    let malformed = || KernelError::Malformed { path: path.to_owned(), expected, found: excerpt(&bytes) };
    parse(&bytes).map(Some).ok_or_else(malformed)
}
