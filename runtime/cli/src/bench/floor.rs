//! The floor: the files that the warden keeps open, read and thrown away.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use wca_kernel::thread_time;

/// Where the kernel's files are.
const KERNEL: [&str; 2] = ["/proc", "/sys"];

/// Files that are read as the warden reads them.
pub(super) struct Floor {
    files: Vec<(PathBuf, File)>,
    buffer: Vec<u8>,
}

impl Floor {
    /// The kernel's files among these.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(super) fn of(open: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in open.iter().filter(|path| KERNEL.iter().any(|folder| path.starts_with(folder))) {
            let file = match File::open(path) {
                Ok(file) => file,
                // Somebody else's cgroup that has gone since.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            };
            let kind = file.metadata().with_context(|| path.display().to_string())?.file_type();
            if kind.is_file() && !kind.is_socket() {
                files.push((path.clone(), file));
            }
        }
        Ok(Self { files, buffer: vec![0; 256 << 10] })
    }

    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Reads all of them once; what that took of processor time.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(super) fn read(&mut self) -> Result<Duration> {
        let begun = thread_time();
        for (path, file) in &self.files {
            match read(path, file, &mut self.buffer) {
                Ok(()) => {}
                // The kernel says so of a file whose cgroup has gone.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        Ok(thread_time().saturating_sub(begun))
    }
}

/// Those of /proc may come in parts; one of a cgroup is whole at the first reading.
fn read(path: &Path, file: &File, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut at = 0;
    loop {
        let read = black_box(file.read_at(buffer, at)?);
        at += read as u64;
        if read == 0 || !path.starts_with(KERNEL[0]) {
            return Ok(());
        }
    }
}
