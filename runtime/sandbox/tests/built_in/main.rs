//! The built-in components, as they lie in `components`, against vectors: what a policy asks for and says, tick by tick. A
//! module for each component.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod cpi_detector;
mod harness;
mod numa_allocator;
mod other_guests;
mod pressure_allocator;
mod static_allocator;
