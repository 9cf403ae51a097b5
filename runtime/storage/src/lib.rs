//! Where metrics go.
//!
//! A [`Store`] takes one batch after the other; [`Delivery`] stands before each with a queue and a worker, so that a slow one
//! keeps nobody waiting, and counts what is lost.

mod delivery;
mod filter;
pub mod kafka;
mod log;
mod matched;
mod outlet;
pub mod prometheus;
mod queue;
mod seldom;
mod store;
#[cfg(test)]
mod testing;
mod unfinished;
mod work;

pub use delivery::{Abandoned, Delivered, Delivery, Hurry};
pub use filter::{Filter, FilterError};
pub use log::{Appended, LogStorage, Output, StandardError, TextForm, blocking};
pub use outlet::Outlet;
pub use store::{Parts, Store, StoreError};
pub use work::{Part, Work, process_time, thread_time};
