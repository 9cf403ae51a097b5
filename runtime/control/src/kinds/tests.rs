//! What each kind means for trees that stand in for machines.

mod absent;
pub(super) mod any_request;
mod batch;
mod cpu;
mod cpuset;
mod enabling;
mod foreign_writes;
mod in_force;
mod memory_and_io;
mod pages;
mod tolerance;
mod tree;
mod two_policies;
mod undo;
