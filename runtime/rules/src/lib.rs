//! Validates and plans: pure functions over the model.
//!
//! The warden judges by them, and the sandbox answers guests by the same ones at once.

mod batch;
mod groups;
mod resctrl;
#[cfg(test)]
mod testing;
mod validate;

pub use batch::which_count;
pub use groups::{Groups, Known, Wish, place};
pub use resctrl::{
    Cell, Cells, bandwidth_row, cells, is_of_resctrl, l3_row, may_share, missing_controls, rounded_bandwidth,
};
pub use validate::validate;
