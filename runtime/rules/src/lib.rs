//! Validates and plans: pure functions over the model.
//!
//! The warden judges by them, and the sandbox answers guests by the same ones at once.

mod validate;

pub use validate::validate;
