//! `wca -c FILE`, in the real program: what is stored, how a run ends, and what is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod changes;
mod churn;
#[path = "../common/mod.rs"]
mod common;
mod defined;
mod ends;
mod http_misuse;
mod kafka;
mod labels;
mod logs;
mod modules;
mod nodes;
mod prometheus;
#[path = "../../../../tests/promtool.rs"]
mod promtool;
mod real_prometheus;
mod reloads;
mod remote_write;
mod rotation;
mod runners;
mod sample;
mod scrape;
mod setup;
mod storages;
mod task;
mod text;
mod unprivileged;

use common::missing;
