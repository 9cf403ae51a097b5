//! The values of the machine: files of /proc that are kept open and read at each tick.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::error::excerpt;
use crate::files::{open_below, reread};
use crate::metrics::{METRICS, MachineRead, Metric, Source};
use crate::{Notice, Roots, Said};

/// The files of the machine's metrics, each read once per tick however many metrics stand in it.
pub(crate) struct Machine {
    files: Vec<MachineFile>,
    /// The metrics, in the order of the table.
    pub metrics: Vec<MachineMetric>,
    /// Reused for the values of one metric.
    found: Vec<(u32, f64)>,
}

struct MachineFile {
    path: PathBuf,
    file: Option<OwnedFd>,
}

/// A metric of the machine and what was last read of it.
pub(crate) struct MachineMetric {
    /// What it is.
    pub metric: &'static Metric,
    /// Numbers of its series: processors, or 0 where it is not divided. Empty as long as nothing was ever read.
    pub numbers: Vec<u32>,
    /// The values, one per series; NaN where the file could not be read.
    pub values: Vec<f64>,
    read: MachineRead,
    file: usize,
}

impl Machine {
    pub(crate) fn new(roots: &Roots) -> Self {
        let mut files: Vec<MachineFile> = Vec::new();
        let mut metrics = Vec::new();
        for metric in METRICS {
            let Source::Machine { path, read } = metric.source else { continue };
            let path = roots.path(path);
            let file = files.iter().position(|one| one.path == path).unwrap_or_else(|| {
                files.push(MachineFile { path, file: None });
                files.len() - 1
            });
            metrics.push(MachineMetric { metric, numbers: Vec::new(), values: Vec::new(), read, file });
        }
        Self { files, metrics, found: Vec::new() }
    }

    /// Reads everything; true where the series are not those of the last time (a processor came or went).
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
        let mut changed = false;
        for (index, file) in self.files.iter_mut().enumerate() {
            let bytes = match file.read(buffer) {
                Ok(count) => Some(&buffer[..count]),
                Err(error) => {
                    if said.first(("machine", &file.path)) {
                        notices.push(Notice::Unreadable { path: file.path.clone(), error: error.to_string() });
                    }
                    None
                }
            };
            for metric in self.metrics.iter_mut().filter(|metric| metric.file == index) {
                self.found.clear();
                match bytes.map(|bytes| (bytes, (metric.read)(bytes, &mut self.found))) {
                    Some((_, true)) => changed |= metric.take(&self.found),
                    Some((bytes, false)) => {
                        metric.values.fill(f64::NAN);
                        if said.first(("malformed", metric.metric.name)) {
                            notices.push(Notice::Malformed { path: file.path.clone(), found: excerpt(bytes) });
                        }
                    }
                    None => metric.values.fill(f64::NAN),
                }
            }
        }
        changed
    }
}

impl MachineFile {
    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open_below(CWD, self.path.as_path())?,
        };
        // A file that failed is opened anew at the next tick.
        let count = reread(&file, buffer)?;
        self.file = Some(file);
        Ok(count)
    }
}

impl MachineMetric {
    /// Takes over what was read; true where the series changed.
    fn take(&mut self, found: &[(u32, f64)]) -> bool {
        self.values.clear();
        self.values.extend(found.iter().map(|(_, value)| value));
        if self.numbers.iter().copied().eq(found.iter().map(|(number, _)| *number)) {
            return false;
        }
        self.numbers = found.iter().map(|(number, _)| *number).collect();
        true
    }
}
