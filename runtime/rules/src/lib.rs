//! Validates and plans: pure functions over the model.
//!
//! The warden judges by them, and the sandbox answers guests by the same ones at once.

mod batch;
mod rails;
mod required;
mod resctrl;
#[cfg(test)]
mod testing;
mod validate;

pub use batch::which_count;
pub use rails::{Bounded, OffRails, Rail, RailedTask, Rails, Rates};
pub use required::{lacks_bandwidth_control, lacks_cache_control};
pub use resctrl::rounded_bandwidth;
pub use validate::validate;
