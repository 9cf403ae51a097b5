//! Counters outside of cores: memory controllers (iMC), caches (CHA), links between sockets (UPI).
//!
//! Each is a PMU of its own that the kernel describes below /sys/bus/event_source/devices
//! (<https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-bus-event_source-devices-format>, `…-events`, and
//! `…/sysfs-bus-event_source-devices` for `cpumask`).

mod bank;
mod definitions;
mod derived;
mod event;
mod family;
mod format;
mod pmu;
mod table;

pub(crate) use definitions::definitions;
pub(crate) use event::{UncoreError, UncoreEvent};
pub(crate) use family::UncoreCounters;
