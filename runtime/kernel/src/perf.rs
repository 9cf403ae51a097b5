//! Counters of the processors and of the kernel, per task and of the parts of the machine outside of cores.
//!
//! Source of everything that is asked of the kernel: perf_event_open(2) and tools/perf/design.txt.

mod event;
mod microarchitecture;
mod table;
