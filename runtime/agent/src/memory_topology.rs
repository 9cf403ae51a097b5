//! Which memory modules the machine has, from what firmware and tools say of them. The warden fetches the bytes, which
//! somebody else has written; they are parsed here, where nothing can be lost by it.

mod ask;
pub(crate) mod definitions;
mod ipmctl;
mod modules;
mod nvdimm;
mod smbios;

use wca_messages::{Ipmctl, MemoryTopology, ToolAnswer};
use wca_model::{Definition, Sample};

use crate::memory_topology::definitions::{CAPACITY, COUNT, MEMORY_MODE, POWER, READ, SIZE, SPEED, WRITE};

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
            self.add(&COUNT, &[label], f64::from(total.count));
            match total.bytes {
                Some(bytes) => {
                    self.add(&SIZE, &[label], from_bytes(bytes));
                }
                None => self.note(SIZE.name, "a memory module does not say its size"),
            }
        }
        match modules::ram_speed(&modules) {
            Some(speed) => self.add(&SPEED, &[], speed),
            None => self.note(SPEED.name, "a memory module does not say its speed"),
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
        let resources = output(&said.resources, MEMORY_MODE.name);
        let dimms = output(&said.dimms, "platform_nvdimm_*");
        let regions = output(&said.regions, "platform_nvdimm_*");
        if let Some(text) = resources {
            match ipmctl::memory_mode(&text) {
                Some(bytes) => self.add(&MEMORY_MODE, &[], from_bytes(bytes)),
                None => self.note(MEMORY_MODE.name, &format!("ipmctl says {:?}", beginning(&text))),
            }
        }
        let Some(dimms) = dimms.map(|text| ipmctl::dimms(&text)) else { return };
        // A machine without such modules is none to speak of.
        let Some(last) = dimms.last() else { return };
        let capacity = last.capacity.map(from_bytes);
        for (definition, value) in [(&CAPACITY, capacity), (&POWER, last.watts)] {
            match value {
                Some(value) => self.add(definition, &[], value),
                None => self.note(definition.name, "ipmctl does not say it"),
            }
        }
        let Some(regions) = regions.map(|text| ipmctl::regions(&text)) else { return };
        for bandwidth in nvdimm::bandwidths(&dimms, &regions) {
            let socket = bandwidth.socket.to_string();
            for (definition, value) in [(&READ, bandwidth.read), (&WRITE, bandwidth.write)] {
                match value {
                    Some(value) => self.add(definition, &[&socket], value),
                    None => self.note(definition.name, "no figure is published for modules of this size at this power"),
                }
            }
        }
    }

    fn add(&mut self, definition: &Definition, levels: &[&str], value: f64) {
        self.samples.push(definition.sample_of(levels, value));
    }

    fn note(&mut self, metric: &str, why: &str) {
        let note = format!("{metric} is not measured here: {why}");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

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
