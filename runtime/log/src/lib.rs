//! The log of both processes: which lines are written, in which form, and how many warnings and errors there were.
//!
//! Lines go to standard error. Modules are named as operators of the Python agent know them (`wca.storage`); a policy is a
//! module too, by its name.

mod counts;
mod form;
mod levels;
mod modules;
mod say;
mod start;

pub use counts::{Counted, counts};
pub use form::Form;
pub use levels::{Level, Levels};
pub use say::{choose, say};
pub use start::{Log, start, write_policy_line};
