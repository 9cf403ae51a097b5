//! What takes time, memory, or a way out.

use std::hint::black_box;
use wasip2::clocks::monotonic_clock;
use wca_guest::log::{Level, write};

const HOUR: u64 = 3_600_000_000_000;
const MEBIBYTE: usize = 1 << 20;

pub(crate) fn endless() {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

pub(crate) fn endless_host_calls() {
    loop {
        black_box(wca_guest::platform::cpus());
    }
}

/// Polls until an hour has passed by the clock.
pub(crate) fn poll_for_an_hour() {
    let begun = monotonic_clock::now();
    while monotonic_clock::now() < begun + HOUR {
        monotonic_clock::subscribe_duration(HOUR).block();
    }
}

pub(crate) fn poll_once() {
    let hour = monotonic_clock::subscribe_duration(HOUR);
    let ready = wasip2::io::poll::poll(&[&hour]);
    write(Level::Info, &format!("{} of 1 hours has passed", ready.len()));
}

pub(crate) fn wait_for_the_clock() {
    let begun = monotonic_clock::now();
    while monotonic_clock::now() == begun {}
}

pub(crate) fn take_memory() {
    loop {
        std::mem::forget(black_box(vec![1_u8; MEBIBYTE]));
    }
}

pub(crate) fn recurse() {
    #[allow(unconditional_recursion, reason = "what it is for")]
    fn deeper(depth: u64) -> u64 {
        black_box(depth) + deeper(black_box(depth + 1)) + 1
    }
    black_box(deeper(0));
}

pub(crate) fn unreachable() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

pub(crate) fn keep_handles() {
    let mut kept = Vec::new();
    loop {
        kept.push(monotonic_clock::subscribe_duration(HOUR));
        black_box(&kept);
    }
}

pub(crate) fn random_bytes(mebibytes: u32) {
    black_box(wasip2::random::random::get_random_bytes(u64::from(mebibytes) << 20));
}

pub(crate) fn long_line(mebibytes: u32) {
    write(Level::Info, &"x".repeat(mebibytes as usize * MEBIBYTE));
}

pub(crate) fn many_lines(times: u32) {
    for at in 0..times {
        write(Level::Info, if at == 0 { "the first line" } else { "one more" });
    }
}

/// A line that pretends to be two, of another policy, and to clear the screen.
pub(crate) fn forged_lines() {
    write(Level::Info, "one\n2026-01-01T00:00:00Z ERROR [Honest] forged\r\u{1b}[2J");
}
