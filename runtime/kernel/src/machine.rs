//! The values of the machine: files of /proc that are kept open and read at each tick, and what is known besides.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::error::excerpt;
use crate::files::{open_below, reread};
use crate::metrics::{METRICS, MachineFact, MachineRead, Metric, Source};
use crate::platform::Topology;
use crate::{KernelError, Notice, Roots, Said};

/// The files of the machine's metrics, each read once per tick however many metrics stand in it.
pub(crate) struct Machine {
    roots: Roots,
    files: Vec<MachineFile>,
    /// The numbers of processors, looked at again when those that are online change; none where they cannot be read.
    topology: Option<Topology>,
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
    origin: Origin,
}

#[derive(Clone, Copy)]
enum Origin {
    /// A file, as an index, and how it is read.
    File(usize, MachineRead),
    Fact(MachineFact),
}

impl Machine {
    pub(crate) fn new(roots: &Roots) -> Self {
        let mut files: Vec<MachineFile> = Vec::new();
        let mut metrics = Vec::new();
        for metric in METRICS {
            let origin = match metric.source {
                Source::Machine { path, read } => {
                    let path = roots.path(path);
                    let file = files.iter().position(|one| one.path == path).unwrap_or_else(|| {
                        files.push(MachineFile { path, file: None });
                        files.len() - 1
                    });
                    Origin::File(file, read)
                }
                Source::Platform(fact) => Origin::Fact(fact),
                Source::Cgroup { .. } | Source::Task(_) => continue,
            };
            metrics.push(MachineMetric { metric, numbers: Vec::new(), values: Vec::new(), origin });
        }
        Self { roots: roots.clone(), files, topology: None, metrics, found: Vec::new() }
    }

    /// Reads everything at that unix time; true where the series are not those of the last time (a processor came or went).
    pub(crate) fn read(&mut self, time: f64, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
        let mut changed = self.read_files(buffer, said, notices);
        if changed {
            self.topology = match Topology::read(&self.roots) {
                Ok(topology) => Some(topology),
                Err(error) => {
                    if said.first("topology") {
                        notices.extend(notice(error));
                    }
                    None
                }
            };
        }
        for metric in &mut self.metrics {
            let Origin::Fact(fact) = metric.origin else { continue };
            let topology = self.topology.as_ref();
            let value = match fact {
                MachineFact::LastSeen => Some(time),
                MachineFact::Cores => topology.map(|counted| counted.cores.into()),
                MachineFact::Cpus => topology.map(|counted| counted.cpus.into()),
                MachineFact::Sockets => topology.map(|counted| counted.sockets.into()),
            };
            self.found.clear();
            self.found.extend(value.map(|value| (0, value)));
            changed |= metric.take(&self.found);
        }
        changed
    }

    fn read_files(&mut self, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
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
            for metric in &mut self.metrics {
                let Origin::File(of, read) = metric.origin else { continue };
                if of != index {
                    continue;
                }
                self.found.clear();
                match bytes.map(|bytes| (bytes, read(bytes, &mut self.found))) {
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

fn notice(error: KernelError) -> Option<Notice> {
    match error {
        KernelError::Read { path, source } => Some(Notice::Unreadable { path, error: source.to_string() }),
        KernelError::Malformed { path, found, .. } => Some(Notice::Malformed { path, found }),
        _ => None,
    }
}
