//! Policies as the agent makes and calls them: real components, most of them written as text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod allocator;
mod command;
mod configure;
mod constructor;
mod host;
mod http;
mod in_force;
mod load;
mod recycle;
mod runner;
mod text;
