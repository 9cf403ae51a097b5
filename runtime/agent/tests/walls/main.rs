//! The walls, against the real thing: the real warden starts `examples/probe`, which confines itself as the agent does and
//! then does what an agent could do that somebody has taken over.
//!
//! Each test runs twice where there is root: as root, which drops to another user, and as an ordinary user, who has nobody
//! to drop to.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests fail loudly and say what they skip")]

mod attacks;
mod compile;
mod harness;
mod life;
mod messages;
mod operator;
