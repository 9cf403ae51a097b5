//! Who is running: from what the warden finds on the machine to tasks.

mod cgroups;
mod discovery;
mod globs;
mod kubelet_state;
mod resource;
mod static_list;

pub use cgroups::{CgroupNode, tasks_of};
pub use discovery::{Discovered, Discovery};
pub use globs::{GlobError, Globs};
pub use kubelet_state::{KubeletState, KubeletStateError};
pub use resource::ResourceValue;
pub use static_list::StaticNode;
