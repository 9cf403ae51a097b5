//! What the kubelet of the machine has written down. The warden hands on the bytes without reading them.

use serde::{Deserialize, Serialize};

/// The state files of a kubelet's managers; a file that is not there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletFiles {
    /// `cpu_manager_state`
    pub cpu: Option<KubeletFile>,
    /// `memory_manager_state`
    pub memory: Option<KubeletFile>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletFile {
    /// Its path.
    pub path: String,
    /// What is in it; the text says why it could not be read.
    pub content: Result<Vec<u8>, String>,
}
