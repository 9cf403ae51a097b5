//! The privileged process.
//!
//! It starts the agent without any privilege, measures for it, and judges what it asks for. It trusts no answer of the
//! agent's: every message is checked, a wrong one is refused, and the warden goes on. It holds no wasm, no network and no
//! TLS, and parses nothing but bounded messages.

mod agent;
mod backoff;
mod cache;
mod compile;
mod config;
mod copy;
mod ended;
mod error;
mod files;
mod judge;
mod keys;
mod launch;
mod measure;
mod notify;
mod operator;
mod private;
mod roster;
mod run;
mod rundir;
mod serve;
mod signals;
mod start;
mod user;

pub use config::{Cache, CompileLimits, Restart, Ticks, WardenConfig};
pub use error::WardenError;
pub use private::PrivateError;
pub use run::run;
pub use rundir::{RunDirError, SOCKET as OPERATOR_SOCKET};
pub use start::Step;
pub use user::UserError;
