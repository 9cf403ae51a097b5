//! Who is running: from what the warden finds on the machine to tasks.

mod cgroups;

pub use cgroups::{Discovered, tasks_of};
