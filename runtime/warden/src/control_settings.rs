//! How the operator's configuration wants changes made.

use wca_config::{Allocation, AllocationConfiguration, Runner};
use wca_control::{Mode, RdtSettings, Settings};

/// How a runner wants changes made. One that does not allocate makes none.
#[must_use]
pub fn control_settings(runner: &Runner) -> Settings {
    let conversion = runner.measurement().allocation_configuration.as_ref();
    match (runner, conversion) {
        (Runner::Allocation(allocation), Some(conversion)) => of_allocation(allocation, conversion),
        (Runner::Guest(guest), Some(conversion)) if guest.allocator.is_some() => {
            Settings { mode: Mode::Apply, ..converted(conversion) }
        }
        _ => Settings::default(),
    }
}

fn of_allocation(allocation: &Allocation, conversion: &AllocationConfiguration) -> Settings {
    let settings = converted(conversion);
    Settings {
        mode: Mode::Apply,
        rdt: RdtSettings { remove_all_groups: allocation.remove_all_resctrl_groups, ..settings.rdt },
        ..settings
    }
}

fn converted(conversion: &AllocationConfiguration) -> Settings {
    Settings {
        cpu_quota_period: conversion.cpu_quota_period,
        cpu_shares_unit: conversion.cpu_shares_unit,
        rdt: RdtSettings {
            default_l3: conversion.default_rdt_l3.clone(),
            default_mb: conversion.default_rdt_mb.clone(),
            ..RdtSettings::default()
        },
        ..Settings::default()
    }
}
