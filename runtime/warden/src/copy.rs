//! Files copied piece by piece, so that the warden serves in between.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

/// Bytes of one piece: a few milliseconds.
const PIECE: u64 = 4 << 20;
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// A file could not be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// A system call failed.
    #[error("{call}: {errno}")]
    System {
        /// The call.
        call: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
    /// The file has grown.
    #[error("more than {most} bytes, the limit (--limit component-size raises it)")]
    TooLarge {
        /// The bound.
        most: u64,
    },
}

/// Adds the name of the call to what the kernel said.
pub(crate) fn failed(call: &'static str) -> impl FnOnce(Errno) -> CopyError {
    move |errno| CopyError::System { call, errno }
}

/// Memory that can be sealed later.
pub(crate) fn memory(name: &str) -> Result<OwnedFd, CopyError> {
    memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(failed("memfd_create"))
}

/// Seals memory: nobody changes it any more.
pub(crate) fn seal(memory: &OwnedFd) -> Result<(), CopyError> {
    fcntl_add_seals(memory, SEALS).map_err(failed("F_ADD_SEALS"))
}

/// Copies the next piece, of at most `most` bytes, and returns it: empty at the end. Positions of the descriptors stay.
pub(crate) fn copy_piece(
    from: impl AsFd,
    from_at: u64,
    to: impl AsFd,
    to_at: u64,
    most: u64,
) -> Result<Vec<u8>, CopyError> {
    let mut piece = vec![0; usize::try_from(PIECE.min(most)).unwrap_or(usize::MAX)];
    let read =
        rustix::io::retry_on_intr(|| rustix::io::pread(&from, &mut piece, from_at)).map_err(failed("reading"))?;
    piece.truncate(read);
    let mut at = 0;
    while at < piece.len() {
        at += rustix::io::retry_on_intr(|| rustix::io::pwrite(&to, &piece[at..], to_at + at as u64))
            .map_err(failed("writing"))?;
    }
    Ok(piece)
}

/// A file on its way into sealed memory, digested as it goes.
pub(crate) struct Copy {
    file: OwnedFd,
    memory: OwnedFd,
    digest: Sha256,
    done: u64,
    most: u64,
}

/// A file in sealed memory.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) memory: OwnedFd,
    pub(crate) digest: [u8; 32],
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Copy {
    /// Begins to copy at most `most` bytes.
    pub(crate) fn new(file: OwnedFd, most: u64) -> Result<Self, CopyError> {
        Ok(Self { file, memory: memory("wca-component")?, digest: Sha256::new(), done: 0, most })
    }

    /// Copies the next piece. The inner error is the rest of the work.
    pub(crate) fn step(mut self) -> Result<Result<Copied, Self>, CopyError> {
        let most = self.most;
        // One byte over the bound is enough to know that there are too many.
        let piece = copy_piece(&self.file, self.done, &self.memory, self.done, (most - self.done).saturating_add(1))?;
        if piece.is_empty() {
            seal(&self.memory)?;
            return Ok(Ok(Copied { memory: self.memory, digest: self.digest.finalize().into() }));
        }
        self.done += piece.len() as u64;
        if self.done > most {
            return Err(CopyError::TooLarge { most });
        }
        self.digest.update(&piece);
        Ok(Err(self))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn copied(bytes: &[u8], most: u64) -> Result<Copied, CopyError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut copy = Copy::new(file.into(), most)?;
        loop {
            copy = match copy.step()? {
                Ok(copied) => return Ok(copied),
                Err(copy) => copy,
            };
        }
    }

    #[test]
    fn what_is_copied_is_what_was_digested() {
        let bytes: Vec<u8> = (0..PIECE + 1234).map(|at| (at % 251) as u8).collect();
        let copied = copied(&bytes, 1 << 30).unwrap();
        assert_eq!(copied.digest, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(wca_messages::read_sealed(&copied.memory, bytes.len()).unwrap(), bytes);
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        assert!(copied(b"123", 3).is_ok());
        assert!(matches!(copied(b"1234", 3), Err(CopyError::TooLarge { most: 3 })));
    }
}
