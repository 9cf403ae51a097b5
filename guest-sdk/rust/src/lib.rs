//! Policies for WCA in Rust.
//!
//! A policy is a module with an attribute. Its `Config` becomes what an operator may write in YAML, its comments become the
//! help, and the functions of the contract are at hand as `now`, `platform`, `report`, `plan`, `batch`, `node`, `random` and
//! `log`, each where its kind of policy has it:
//!
//! ```
//! /// Finds tasks that use more processors than they should.
//! #[wca_guest::detector(name = "BusyTask")]
//! mod busy {
//!     struct Config {
//!         /// Cores above which a task is busy.
//!         #[default(0.95)]
//!         threshold: f64,
//!     }
//!
//!     fn detect(config: &Config) -> Result<(), String> {
//!         for (row, key) in now::keys().into_iter().enumerate() {
//!             let cores: f64 = now::rates("task_cpu_usage_seconds").iter().map(|column| column[row]).sum();
//!             if cores > config.threshold {
//!                 report::contention(Contended::Cpus, key, &[], &[Sample::gauge("cores", cores)])?;
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Besides, the module may have
//! - `State`, a type with `Default`, kept from call to call and asked for as `state: &mut State`;
//! - `#[config]` structs and enums, from which `Config` is made;
//! - `fn validate(config: &Config) -> Result<(), String>`, whose text is shown at the policy's entry in YAML;
//! - `fn may_recycle(state: &State) -> bool`, asked when memory runs low: true allows to begin anew with an empty state.
//!
//! A request can come to nothing. One to set a value is made again by an allocator that asks for what it wants in each call; for those
//! that give a value back there is [`releases::Releases`].

#[allow(missing_docs, unsafe_code, unused_qualifications, clippy::all, clippy::pedantic)]
mod bindings;
pub mod config;
pub mod http;
pub mod log;
pub mod prelude;
pub mod releases;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod stdout;
pub mod types;

pub use bindings::wca::policy::{batch, node, now, plan, platform, random, report};
pub use wca_guest_macros::{allocator, detector, runner, storage};
