//! The wasmtime host: what runs a policy and stops it.
//!
//! [`compile`] turns a component into machine code and runs in a process of its own. [`Component`] is that code loaded and
//! judged: its world, its constructor, what it imports. [`Policy`] is a configured component that can be called each tick,
//! within [`Limits`], and that is thrown away and made anew when it fails.

mod bindings;
mod component;
mod configure;
mod contract;
mod deadline;
mod engine;
mod failure;
mod grants;
mod host;
mod instance;
mod limiter;
mod limits;
mod located;
mod machine_code;
mod outgoing;
mod policy;
mod signature;
mod state;
mod text;
mod turns;
mod wasi;

pub mod compile;
pub mod description;

pub use component::{Component, LoadError};
pub use configure::ConfigureError;
pub use contract::{CONTRACT_VERSION, World};
pub use engine::{EngineError, Sandbox};
pub use failure::Failure;
pub use grants::{Grants, Origin, OriginError};
pub use host::node::{NodeAccess, NodeError};
pub use limits::{LIMITS, LimitError, LimitInfo, Limits};
pub use outgoing::{HttpStop, HttpStops};
pub use policy::{ArgumentSource, Called, MakeError, Policy, PolicyName, Surroundings};
pub use state::{LogLevel, LogLine, LogSink, Said};
