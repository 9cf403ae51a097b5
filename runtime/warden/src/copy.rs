//! A file copied into sealed memory, piece by piece, and digested on the way.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

/// Bytes of one piece: a few milliseconds, so that the warden serves in between.
const PIECE: usize = 4 << 20;

/// A file on its way into sealed memory.
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

fn failed(call: &'static str) -> impl FnOnce(Errno) -> CopyError {
    move |errno| CopyError::System { call, errno }
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Copy {
    /// Begins to copy at most `most` bytes.
    pub(crate) fn new(file: OwnedFd, most: u64) -> Result<Self, CopyError> {
        let memory = memfd_create("wca-component", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(failed("memfd_create"))?;
        Ok(Self { file, memory, digest: Sha256::new(), done: 0, most })
    }

    /// Copies the next piece. The inner error is the rest of the work.
    pub(crate) fn step(mut self) -> Result<Result<Copied, Self>, CopyError> {
        let mut piece = vec![0; PIECE];
        let read = rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut piece, self.done))
            .map_err(failed("reading the file"))?;
        if read == 0 {
            let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
            fcntl_add_seals(&self.memory, all).map_err(failed("F_ADD_SEALS"))?;
            // The reader starts at the beginning, whatever was written through this descriptor: pwrite does not move it.
            return Ok(Ok(Copied { memory: self.memory, digest: self.digest.finalize().into() }));
        }
        let piece = &piece[..read];
        let most = self.most;
        if self.done + piece.len() as u64 > most {
            return Err(CopyError::TooLarge { most });
        }
        let mut at = 0;
        while at < piece.len() {
            at += rustix::io::pwrite(&self.memory, &piece[at..], self.done + at as u64).map_err(failed("pwrite"))?;
        }
        self.digest.update(piece);
        self.done += piece.len() as u64;
        Ok(Err(self))
    }
}
