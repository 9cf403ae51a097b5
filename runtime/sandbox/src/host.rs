//! What guests import: one file for each interface of the contract.

mod batch;
mod log;
pub(crate) mod node;
mod now;
mod plan;
mod platform;
mod random;
mod report;
mod types;
