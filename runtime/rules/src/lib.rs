//! Validates and plans: pure functions over the model.
//!
//! The warden judges by them, and the sandbox answers guests by the same ones at once.

mod batch;
pub mod memory;
pub mod quota;
mod rails;
mod resctrl;
#[cfg(test)]
mod testing;
mod tolerance;
mod validate;
pub mod weights;

pub use batch::which_count;
pub use rails::{Bounded, OffRails, Rail, RailedTask, Rails, Rates};
pub use resctrl::{missing_controls, rounded_bandwidth};
pub use tolerance::is_close;
pub use validate::{ranges, validate};
