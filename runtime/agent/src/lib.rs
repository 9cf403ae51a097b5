//! The unprivileged process: it loads policies, drives the tick, and asks the warden for everything that takes rights.

mod client;
mod configured;
pub mod confine;
mod counts;
mod definitions;
mod describe;
mod durations;
mod embedded;
mod entry;
mod file_arguments;
mod inspect;
mod kubelet;
mod labels;
mod load;
mod log;
#[doc(hidden)]
pub mod measured;
mod memory_topology;
mod missing;
mod node;
mod own;
mod pace;
mod policies;
mod print;
mod reported;
mod requested;
mod roster;
mod run;
mod sayings;
pub mod settings;
mod spent;
mod storages;
mod tasks;
#[cfg(test)]
mod testing;
mod workers;

pub use definitions::definitions;
pub use embedded::{embedded_digest, embedded_names, with_embedded};
pub use entry::main;
