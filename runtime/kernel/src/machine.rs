//! The values of the machine: files of /proc and /sys that are kept open and read at each tick, and what is known besides.

pub(crate) mod file;
mod series;

use std::path::PathBuf;

use crate::error::is_absent;
use crate::machine::file::MachineFile;
use crate::machine::series::SeriesList;
use crate::metrics::{MACHINE, MachineFact, MachineRead, Metric, Source};
use crate::platform::Topology;
use crate::text::number_list;
use crate::{KernelError, Lines, Notice, Roots, Said, Wanted};

/// The files of the machine's metrics, each read once per tick however many metrics stand in it.
pub(crate) struct Machine {
    roots: Roots,
    wanted: Wanted,
    /// Which NUMA nodes are online.
    online: MachineFile,
    /// What it said last.
    nodes: Vec<u8>,
    files: Vec<MachineFile>,
    /// The numbers of processors, looked at again when series change; none where they cannot be read.
    topology: Option<Topology>,
    /// The metrics, in the order of the table.
    pub metrics: Vec<MachineMetric>,
}

/// A metric of the machine and what was last read of it.
pub(crate) struct MachineMetric {
    /// What it is.
    pub metric: &'static Metric,
    /// Where its values come from.
    pub parts: Vec<Part>,
}

/// A source of values.
pub(crate) struct Part {
    origin: Origin,
    /// Value of the first level, where the file does not say it.
    pub label: Option<String>,
    /// What was last read. Empty as long as nothing was ever read.
    pub series: SeriesList,
}

#[derive(Clone, Copy)]
enum Origin {
    /// A file, as an index, and how it is read.
    File(usize, MachineRead),
    Fact(MachineFact),
}

impl Machine {
    pub(crate) fn new(roots: &Roots, wanted: &Wanted) -> Self {
        let online = MachineFile::new(roots.path("/sys/devices/system/node/online"));
        let mut machine = Self {
            roots: roots.clone(),
            wanted: wanted.clone(),
            online,
            nodes: Vec::new(),
            files: Vec::new(),
            topology: None,
            metrics: Vec::new(),
        };
        machine.lay_out(&[]);
        machine
    }

    /// Finds out anew which files are read, on a machine with these NUMA nodes.
    fn lay_out(&mut self, nodes: &[u32]) {
        let mut before = std::mem::take(&mut self.files);
        let files = &mut self.files;
        let mut index_of = |path: PathBuf| {
            files.iter().position(|one: &MachineFile| one.path == path).unwrap_or_else(|| {
                let known = before.iter().position(|one| one.path == path).map(|at| before.swap_remove(at));
                files.push(known.unwrap_or_else(|| MachineFile::new(path)));
                files.len() - 1
            })
        };
        self.metrics.clear();
        for metric in MACHINE.iter().filter(|metric| !is_unwanted(metric, &self.wanted)) {
            let part = |origin, label: Option<String>| Part { origin, label, series: SeriesList::default() };
            let parts = match metric.source {
                Source::Machine { files, read } => (files.iter())
                    .map(|file| {
                        let origin = Origin::File(index_of(self.roots.path(file.path)), read);
                        part(origin, file.label.map(str::to_owned))
                    })
                    .collect(),
                Source::Node { file, read } => (nodes.iter())
                    .map(|node| {
                        let path = self.roots.path(format!("/sys/devices/system/node/node{node}/{file}"));
                        part(Origin::File(index_of(path), read), Some(node.to_string()))
                    })
                    .collect(),
                Source::Platform(fact) => vec![part(Origin::Fact(fact), None)],
                Source::Cgroup(_) | Source::Less { .. } | Source::Task(_) => continue,
            };
            self.metrics.push(MachineMetric { metric, parts });
        }
    }

    /// Reads everything at that unix time; true where the series are not those of the last time (a processor or a node came
    /// or went).
    pub(crate) fn read(&mut self, time: f64, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
        let mut changed = self.look_for_nodes(buffer, said, notices);
        changed |= self.read_files(buffer, said, notices);
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
        for part in self.metrics.iter_mut().flat_map(|metric| &mut metric.parts) {
            let Origin::Fact(fact) = part.origin else { continue };
            let topology = self.topology.as_ref();
            let value = match fact {
                MachineFact::LastSeen => Some(time),
                MachineFact::Cores => topology.map(|counted| counted.cores.into()),
                MachineFact::Cpus => topology.map(|counted| counted.cpus.into()),
                MachineFact::Sockets => topology.map(|counted| counted.sockets.into()),
                #[expect(clippy::cast_precision_loss, reason = "no page has 2^53 bytes")]
                MachineFact::PageSize => Some(rustix::param::page_size() as f64),
            };
            let taken = part.series.take(|found| {
                value.into_iter().for_each(|value| found(&[], value));
                true
            });
            changed |= taken == Some(true);
        }
        changed
    }

    /// Whether other NUMA nodes are online than the last time: memory can be plugged, processors or not. A kernel without
    /// NUMA has no nodes to tell of.
    fn look_for_nodes(&mut self, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
        let online = match self.online.read(buffer) {
            Ok(count) => &buffer[..count],
            Err(error) => {
                if !is_absent(&error.into()) {
                    self.online.unreadable(error, said, notices);
                }
                b""
            }
        };
        if self.nodes == online {
            return false;
        }
        self.nodes = online.to_owned();
        let nodes = number_list(online).unwrap_or_else(|| {
            self.online.malformed(online, said, notices);
            Vec::new()
        });
        self.lay_out(&nodes);
        true
    }

    fn read_files(&mut self, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
        let mut changed = false;
        for (index, file) in self.files.iter_mut().enumerate() {
            let bytes = match file.read(buffer) {
                Ok(count) => Some(&buffer[..count]),
                Err(error) => {
                    file.unreadable(error, said, notices);
                    None
                }
            };
            for metric in &mut self.metrics {
                for part in &mut metric.parts {
                    let Origin::File(of, read) = part.origin else { continue };
                    if of != index {
                        continue;
                    }
                    let Some(bytes) = bytes else {
                        part.series.lose();
                        continue;
                    };
                    match part.series.take(|found| read.read(bytes, &self.wanted, found)) {
                        Some(has_changed) => changed |= has_changed,
                        None => file.malformed(bytes, said, notices),
                    }
                }
            }
        }
        changed
    }
}

/// Whether nothing of it is to be measured.
fn is_unwanted(metric: &Metric, wanted: &Wanted) -> bool {
    let (Source::Machine { read, .. } | Source::Node { read, .. }) = metric.source else { return false };
    matches!(
        (read, &wanted.vmstat, &wanted.zoneinfo),
        (MachineRead::Keys, Lines::Nothing, _) | (MachineRead::Zones, _, Lines::Nothing)
    )
}

impl MachineMetric {
    /// The values, one per series; NaN where a file could not be read.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> {
        self.parts.iter().flat_map(|part| part.series.values.iter().copied())
    }

    /// The values of the levels of each series.
    pub(crate) fn labels(&self) -> impl Iterator<Item = Vec<&str>> {
        self.parts.iter().flat_map(|part| {
            let labels = part.series.labels.iter();
            labels.map(|labels| part.label.iter().chain(labels).map(String::as_str).collect())
        })
    }
}

/// What is to be said of a file that could not be read or understood.
pub(crate) fn notice(error: KernelError) -> Option<Notice> {
    match error {
        KernelError::Read { path, source } => Some(Notice::Unreadable { path, error: source.to_string() }),
        KernelError::Malformed { path, found, .. } => Some(Notice::Malformed { path, found }),
        _ => None,
    }
}
