//! A file of the machine that is read at each tick.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::error::excerpt;
use crate::files::{open_below, reread_parts};
use crate::{Notice, Said};

/// A file that is opened when it is first read, and stays open.
pub(crate) struct MachineFile {
    /// Where it is.
    pub path: PathBuf,
    file: Option<OwnedFd>,
}

impl MachineFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Reads the whole of it into the buffer; how many bytes that is.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open_below(CWD, self.path.as_path())?,
        };
        // A file that failed is opened anew at the next tick.
        let count = reread_parts(&file, buffer)?;
        self.file = Some(file);
        Ok(count)
    }

    /// Tells that it cannot be read, once.
    pub(crate) fn unreadable(&self, error: Errno, said: &mut Said, notices: &mut Vec<Notice>) {
        if said.first(("machine", &self.path)) {
            notices.push(Notice::Unreadable { path: self.path.clone(), error: error.to_string() });
        }
    }

    /// Tells that it cannot be understood, once.
    pub(crate) fn malformed(&self, bytes: &[u8], said: &mut Said, notices: &mut Vec<Notice>) {
        if said.first(("malformed", &self.path)) {
            notices.push(Notice::Malformed { path: self.path.clone(), found: excerpt(bytes) });
        }
    }
}
