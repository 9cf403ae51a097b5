//! Control: what was asked for becomes values of the kernel, and there is a way back.
//!
//! A request is judged and planned ([`wca_rules`] and the kinds here), applied step by step through [`wca_kernel`], and journaled:
//! before each write the value that was found and the value that is about to be written, after it the value that was read
//! back. From the journal everything can be put back, by this process, by the next one, or by `wca restore`.

mod absent;
mod adopt;
mod apply;
mod below;
mod context;
mod control;
mod foreign;
mod held;
mod journal;
mod kinds;
mod ledger;
mod life;
mod loosen;
mod pages;
mod plan;
mod policy;
mod railed;
mod restore;
mod settings;
#[cfg(test)]
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod tasks;
#[cfg(test)]
mod testing;
mod undo;

pub use control::{Control, ControlError, Opened, held_in};
pub use foreign::ForeignWrites;
pub use held::{Held, Owner};
pub use journal::JournalError;
pub use policy::Policy;
pub use restore::Restored;
pub use settings::{RdtSettings, Settings};
pub use tasks::{ControlledTask, Tasks};
pub use undo::{NewBatch, Undone, UndoneBatch};
