//! The privileged process.
//!
//! It starts the agent without any privilege, measures for it, and judges what it asks for. It trusts no answer of the
//! agent's: every message is checked, a wrong one is refused, and the warden goes on. It holds no wasm, no network and no
//! TLS, and parses nothing but bounded messages.

mod agent;
mod ask;
mod backoff;
mod cache;
mod changes;
mod compile;
mod config;
mod content;
mod control_settings;
mod copy;
mod ended;
mod error;
mod files;
mod guard;
mod guard_settings;
mod inputs;
mod keys;
mod kubelet;
mod launch;
mod listeners;
mod measure;
mod memory_topology;
mod named;
mod nobody;
mod notify;
mod numbered;
mod opening;
mod operator;
mod outputs;
mod private;
mod reload;
mod roster;
mod run;
mod rundir;
mod serve;
mod signals;
mod start;
mod tool;
mod user;
mod wanted;

#[cfg(test)]
#[path = "../../../tests/skipped.rs"]
mod skipped;

pub use ask::{AskError, ask_warden};
pub use config::{Cache, CompileLimits, Restart, Ticks, WardenConfig};
pub use control_settings::{control_settings, kubelet_folder};
pub use error::WardenError;
pub use guard_settings::wrong_guards;
pub use named::FirstNumbers;
pub use nobody::{LeftError, LeftValues, held_by_nobody, restore_for_nobody};
pub use opening::open_to_read;
pub use outputs::{OutputFile, Written};
pub use private::PrivateError;
pub use reload::{Reload, Renewed};
pub use run::run;
pub use rundir::{RunDirError, SOCKET as OPERATOR_SOCKET};
pub use start::Step;
pub use user::UserError;
pub use wanted::{misnamed_events, wanted};
pub use wca_kernel::Wanted;
