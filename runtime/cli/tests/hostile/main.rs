//! Hostile guests, in the real program: what stops them, that an honest one beside them notices nothing, and what the user is
//! told, exactly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod all;
mod bombs;
mod cache;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod guests;
mod load;
mod reports;
mod told;
