//! Which memory modules the machine has, from what firmware and tools say of them. The warden fetches the bytes, which
//! somebody else has written; they are parsed here, where nothing can be lost by it.

mod ask;
mod ipmctl;
mod modules;
mod nvdimm;
mod smbios;

use wca_messages::{Ipmctl, MemoryTopology, ToolAnswer};
use wca_model::Sample;

use crate::own::gauge;

pub(crate) use ask::{Memory, MemoryError};

/// Memory modules as metrics, and what an operator should hear of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Modules {
    /// What is known of them. They do not change while the machine runs.
    pub(crate) samples: Vec<Sample>,
    /// What is not known, and why.
    pub(crate) notes: Vec<String>,
}

impl Modules {
    /// Makes metrics out of what the warden has fetched.
    pub(crate) fn of(found: &MemoryTopology) -> Self {
        let mut modules = Self::default();
        let persistent = match &found.smbios {
            Ok(table) => modules.add_table(table),
            Err(why) => {
                modules.note("platform_dimm_*", &format!("{why}; WCA reads it as root, where the firmware has SMBIOS"));
                false
            }
        };
        match &found.ipmctl {
            ToolAnswer::Said(said) => modules.add_persistent(said),
            ToolAnswer::NotInstalled if persistent => modules.note(
                "platform_nvdimm_*",
                "the machine has modules of persistent memory, and ipmctl, which knows more of them, is not installed",
            ),
            ToolAnswer::NotInstalled | ToolAnswer::Running => {}
        }
        modules
    }

    /// Adds what the firmware's table says; whether there are modules of persistent memory.
    fn add_table(&mut self, table: &[u8]) -> bool {
        let modules = match smbios::structures(table) {
            Ok(structures) => modules::modules(&structures),
            Err(malformed) => {
                self.note("platform_dimm_*", &format!("the SMBIOS table cannot be understood: {malformed}"));
                return false;
            }
        };
        if modules.is_empty() {
            self.note("platform_dimm_*", "the SMBIOS table describes no memory module");
            return false;
        }
        let mut has_persistent = false;
        for (kind, label) in [(modules::Kind::Ram, "ram"), (modules::Kind::Persistent, "nvm")] {
            let total = modules::total(&modules, kind);
            has_persistent |= kind == modules::Kind::Persistent && total.count > 0;
            self.add("platform_dimm_count", COUNT_HELP, &[("dimm_type", label)], f64::from(total.count));
            match total.bytes {
                Some(bytes) => {
                    self.add("platform_dimm_total_size_bytes", SIZE_HELP, &[("dimm_type", label)], from_bytes(bytes));
                }
                None => self.note("platform_dimm_total_size_bytes", "a memory module does not say its size"),
            }
        }
        match modules::ram_speed(&modules) {
            Some(speed) => self.add("platform_dimm_speed_bytes_per_second", SPEED_HELP, &[], speed),
            None => self.note("platform_dimm_speed_bytes_per_second", "a memory module does not say its speed"),
        }
        has_persistent
    }

    /// Adds what the tool of persistent memory says.
    fn add_persistent(&mut self, said: &Ipmctl) {
        let mut output = |of: &Result<Vec<u8>, String>, metrics: &str| match of {
            Ok(text) => Some(String::from_utf8_lossy(text).into_owned()),
            Err(why) => {
                self.note(metrics, why);
                None
            }
        };
        let resources = output(&said.resources, "platform_mem_mode_size_bytes");
        let dimms = output(&said.dimms, "platform_nvdimm_*");
        let regions = output(&said.regions, "platform_nvdimm_*");
        if let Some(text) = resources {
            match ipmctl::memory_mode(&text) {
                Some(bytes) => self.add("platform_mem_mode_size_bytes", MODE_HELP, &[], from_bytes(bytes)),
                None => self.note("platform_mem_mode_size_bytes", &format!("ipmctl says {:?}", beginning(&text))),
            }
        }
        let Some(dimms) = dimms.map(|text| ipmctl::dimms(&text)) else { return };
        // A machine without such modules is none to speak of.
        let Some(last) = dimms.last() else { return };
        let capacity = last.capacity.map(from_bytes);
        let values = [
            ("platform_capacity_per_nvdimm_bytes", CAPACITY_HELP, capacity),
            ("platform_avg_power_per_nvdimm_watts", POWER_HELP, last.watts),
        ];
        for (name, help, value) in values {
            match value {
                Some(value) => self.add(name, help, &[], value),
                None => self.note(name, "ipmctl does not say it"),
            }
        }
        let Some(regions) = regions.map(|text| ipmctl::regions(&text)) else { return };
        for bandwidth in nvdimm::bandwidths(&dimms, &regions) {
            let socket = bandwidth.socket.to_string();
            let labels = [("socket", socket.as_str())];
            let values = [
                ("platform_nvdimm_read_bandwidth_bytes_per_second", READ_HELP, bandwidth.read),
                ("platform_nvdimm_write_bandwidth_bytes_per_second", WRITE_HELP, bandwidth.write),
            ];
            for (name, help, value) in values {
                match value {
                    Some(value) => self.add(name, help, &labels, value),
                    None => self.note(name, "no figure is published for modules of this size at this power"),
                }
            }
        }
    }

    fn add(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        self.samples.push(Sample { labels, ..gauge(name, help, value) });
    }

    fn note(&mut self, metric: &str, why: &str) {
        let note = format!("{metric} is not measured here: {why}");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

const COUNT_HELP: &str = "Memory modules by kind: ram, and nvm for persistent memory.";
const SIZE_HELP: &str = "Size of all memory modules of a kind.";
const SPEED_HELP: &str = "Sum of what each module of ram can transfer by its rated speed.";
const MODE_HELP: &str = "Persistent memory that is used as volatile memory (memory mode).";
const CAPACITY_HELP: &str = "Capacity of one module of persistent memory.";
const POWER_HELP: &str = "Average power that one module of persistent memory may take.";
const READ_HELP: &str = "What the persistent memory of a socket can read by published figures for its modules.";
const WRITE_HELP: &str = "What the persistent memory of a socket can write by published figures for its modules.";

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn from_bytes(bytes: u64) -> f64 {
    bytes as f64
}

/// The beginning of what a tool said, for a message.
fn beginning(text: &str) -> String {
    text.trim().chars().take(60).collect()
}

#[cfg(test)]
mod tests;
