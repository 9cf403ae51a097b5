//! The unprivileged process: it loads policies, drives the tick, and asks the warden for everything that takes rights.

mod client;
pub mod confine;
mod embedded;
mod entry;
mod inspect;
mod load;
mod log;
#[doc(hidden)]
pub mod measured;
mod node;
mod pace;
mod policies;
mod print;
mod roster;
mod run;
mod sayings;
pub mod settings;

pub use embedded::embedded_names;
pub use entry::main;
