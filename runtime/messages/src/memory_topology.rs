//! What firmware and tools say of the memory modules. The warden hands on the bytes without reading them.

use serde::{Deserialize, Serialize};

/// What firmware and tools say of the memory modules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTopology {
    /// The SMBIOS table of the firmware, as the kernel shows it; the text says why there is none.
    pub smbios: Result<Vec<u8>, String>,
    /// What the tool of persistent memory says.
    pub ipmctl: ToolAnswer,
}

/// What a tool says that the warden runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolAnswer {
    /// There is no such tool on this machine.
    NotInstalled,
    /// It has not ended yet: it is worth asking again.
    Running,
    /// It has ended.
    Said(Ipmctl),
}

/// What `ipmctl` has written to its standard output; a text says why that is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipmctl {
    /// Of `show -u B -memoryresources`.
    pub resources: Result<Vec<u8>, String>,
    /// Of `show -a -u B -dimm`.
    pub dimms: Result<Vec<u8>, String>,
    /// Of `show -a -u B -region`.
    pub regions: Result<Vec<u8>, String>,
}
