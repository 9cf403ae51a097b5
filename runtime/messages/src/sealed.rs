//! Sealed memory: bytes that nobody can change once they were handed over.
//!
//! A `memfd` that is sealed against writing, growing, shrinking and further seals
//! (<https://man7.org/linux/man-pages/man2/memfd_create.2.html>) can be read without fear that its owner changes it
//! meanwhile, or cuts it short so that a reader of mapped memory is killed.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};

/// What sealed memory must be sealed against.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Memory could not be made, sealed or read.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// A system call failed.
    #[error("{call}: {source}")]
    System {
        /// The call.
        call: &'static str,
        /// What the kernel said.
        source: rustix::io::Errno,
    },
    /// The descriptor is something else, or not sealed.
    #[error("the descriptor is not sealed memory")]
    NotSealed,
    /// More bytes than the bound.
    #[error("{found} bytes of sealed memory, at most {most} are taken")]
    Oversized {
        /// Bytes that there are.
        found: u64,
        /// The bound.
        most: usize,
    },
}

fn failed(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> SealedError {
    move |source| SealedError::System { call, source }
}

/// Sealed memory with the concatenation of `parts`.
///
/// # Errors
/// [`SealedError::System`] where memory is short.
pub fn seal(name: &'static str, parts: &[&[u8]]) -> Result<OwnedFd, SealedError> {
    let memory = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(failed("memfd_create"))?;
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let written = rustix::io::write(&memory, rest).map_err(failed("write to sealed memory"))?;
            rest = &rest[written..];
        }
    }
    fcntl_add_seals(&memory, SEALS).map_err(failed("F_ADD_SEALS"))?;
    Ok(memory)
}

/// Size of sealed memory, after the check that it is sealed and has at most `most` bytes.
pub(crate) fn checked_size(memory: impl AsFd, most: usize) -> Result<usize, SealedError> {
    let seals = fcntl_get_seals(memory.as_fd()).map_err(|_| SealedError::NotSealed)?;
    if !seals.contains(SEALS) {
        return Err(SealedError::NotSealed);
    }
    let found = fstat(memory.as_fd()).map_err(failed("fstat"))?.st_size;
    let found = u64::try_from(found).map_err(|_| SealedError::NotSealed)?;
    match usize::try_from(found) {
        Ok(size) if size <= most => Ok(size),
        _ => Err(SealedError::Oversized { found, most }),
    }
}

/// All bytes of sealed memory.
///
/// # Errors
/// [`SealedError::NotSealed`] for every other descriptor, [`SealedError::Oversized`] for more than `most` bytes.
pub fn read_sealed(memory: impl AsFd, most: usize) -> Result<Vec<u8>, SealedError> {
    let mut bytes = vec![0; checked_size(&memory, most)?];
    let mut at = 0;
    while at < bytes.len() {
        match rustix::io::pread(&memory, &mut bytes[at..], at as u64).map_err(failed("pread of sealed memory"))? {
            0 => return Err(SealedError::NotSealed),
            read => at += read,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_read_and_cannot_be_written() {
        let memory = seal("test", &[b"one ", b"two"]).unwrap();
        assert_eq!(read_sealed(&memory, 7).unwrap(), b"one two");
        assert!(rustix::io::pwrite(&memory, b"x", 0).is_err());
        assert!(rustix::fs::ftruncate(&memory, 1).is_err());
    }

    #[test]
    fn larger_than_the_bound_is_refused() {
        let memory = seal("test", &[&[0; 100]]).unwrap();
        assert_eq!(
            read_sealed(&memory, 99).unwrap_err().to_string(),
            "100 bytes of sealed memory, at most 99 are taken"
        );
    }

    #[test]
    fn a_file_and_unsealed_memory_are_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(matches!(read_sealed(&file, 10), Err(SealedError::NotSealed)));
        let open = memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(matches!(read_sealed(&open, 10), Err(SealedError::NotSealed)));
    }
}
