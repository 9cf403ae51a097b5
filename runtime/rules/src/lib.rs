//! Validates and plans: pure functions over the model.
//!
//! The warden judges by them, and the sandbox answers guests by the same ones at once.

mod batch;
mod changed_tasks;
mod glob;
mod groups;
pub mod memory;
mod protect;
pub mod quota;
mod rails;
mod resctrl;
mod selection;
#[cfg(test)]
mod testing;
mod tolerance;
mod validate;
pub mod weights;

pub use batch::which_count;
pub use changed_tasks::ChangedTasks;
pub use groups::{Groups, Known, Wish, place};
pub use protect::{BASELINE_WINDOWS, Baseline, FEWEST_SAMPLES, Level, Protect, Regression};
pub use rails::{Bounded, OffRails, Rail, RailedTask, Rails, Rates};
pub use resctrl::{
    Cell, Cells, bandwidth_row, cells, is_of_resctrl, l3_row, may_share, missing_controls, rounded_bandwidth,
};
pub use tolerance::is_close;
pub use validate::{ranges, validate};
