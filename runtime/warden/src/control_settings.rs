//! How the operator's configuration wants changes made.

use std::path::PathBuf;

use wca_config::{AllocationConfiguration, Control, Rail, Runner};
use wca_control::{RdtSettings, Settings};
use wca_rules::Rails;

use crate::guard_settings::protects;

/// How a runner wants changes made. One that does not allocate makes none.
#[must_use]
pub fn control_settings(runner: &Runner) -> Settings {
    let Some(control) = runner.control() else { return Settings::default() };
    let conversion = runner.measurement().allocation_configuration.clone().unwrap_or_default();
    settings(control, &conversion)
}

/// The folder of the kubelet whose state a runner heeds; none: it does not allocate.
#[must_use]
pub fn kubelet_folder(runner: &Runner) -> Option<PathBuf> {
    runner.control().map(|control| PathBuf::from(&control.kubelet_root))
}

fn settings(control: &Control, conversion: &AllocationConfiguration) -> Settings {
    let rails = Rails(control.rails.iter().map(rail).collect());
    Settings {
        mode: control.mode,
        cpu_quota_period: conversion.cpu_quota_period,
        cpu_shares_unit: conversion.cpu_shares_unit,
        cpu_shares_conversion: control.cpu_shares_conversion,
        enable_controllers: control.enable_controllers,
        all_or_nothing: control.all_or_nothing,
        allow_oom: control.allow_oom,
        migrate_with_swap: control.migrate_with_swap,
        migrate_bytes_per_step: Settings::default().migrate_bytes_per_step,
        on_exit: control.on_exit,
        on_failure: control.on_failure,
        adopt_ticks: control.adopt_ticks,
        on_foreign_write: control.on_foreign_write.iter().copied().collect(),
        reapply_per_minute: control.reapply_per_minute,
        rdt: RdtSettings {
            default_l3: conversion.default_rdt_l3.clone(),
            default_mb: conversion.default_rdt_mb.clone(),
            named_groups: rails.named_groups(),
            remove_all_groups: control.remove_all_resctrl_groups,
            force: control.force,
        },
        rails,
        changed_tasks_per_minute: control.changed_tasks_per_minute,
        protect: protects(control),
        cool_down: control.cool_down,
    }
}

fn rail(rail: &Rail) -> wca_rules::Rail {
    wca_rules::Rail {
        name: rail.name.clone(),
        place: format!("{}:{}", rail.place.source, rail.place.line),
        tasks: rail.tasks.clone(),
        except: rail.except.clone(),
        cgroups: rail.cgroups.clone(),
        kinds: rail.kinds.as_ref().map(|kinds| kinds.iter().copied().collect()),
        ranges: rail.ranges.iter().map(|(kind, least, most)| (*kind, (*least, *most))).collect(),
        cpus: rail.cpus.as_ref().map(|cpus| cpus.iter().copied().collect()),
        mems: rail.mems.as_ref().map(|mems| mems.iter().copied().collect()),
        l3: rail.l3.iter().copied().collect(),
        l2: rail.l2.iter().copied().collect(),
        mb: rail.mb.iter().copied().collect(),
        groups: rail.groups.clone(),
        migrated_bytes_per_minute: rail.migrated_bytes_per_minute,
        changes_per_minute: rail.changes_per_minute,
        clamp: rail.clamp,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wca_config::{KnownGuest, Role, Surroundings, load};
    use wca_model::{Kind, Mode, OnExit, OnFailure, OnForeignWrite, SharesConversion, Signal};

    use super::*;

    fn read(runner: &str) -> Runner {
        let known = [("NOPAllocator", Role::Allocator), ("Loop", Role::Runner)];
        let guests = known.map(|(tag, role)| KnownGuest { tag: tag.into(), role: Some(role) });
        let around = Surroundings {
            source: "c.yaml",
            environment: &|_| None,
            readable: &|_| Ok(()),
            guests: &guests,
            other_guests: false,
        };
        load(&format!("runner: {runner}"), &around).unwrap().runner
    }

    fn of(runner: &str) -> Settings {
        control_settings(&read(runner))
    }

    #[test]
    fn who_allocates_heeds_a_kubelet() {
        for (runner, expected) in [
            ("!MeasurementRunner {node: !CgroupNode }", None),
            ("!Loop {}", None),
            ("!Loop {allocator: !NOPAllocator }", Some("/var/lib/kubelet")),
            (
                "!AllocationRunner {node: !CgroupNode , allocator: !NOPAllocator , kubelet_root: /data/kubelet}",
                Some("/data/kubelet"),
            ),
        ] {
            assert_eq!(kubelet_folder(&read(runner)), expected.map(PathBuf::from), "{runner}");
        }
    }

    #[test]
    fn who_does_not_allocate_writes_nothing() {
        for runner in ["!MeasurementRunner {node: !CgroupNode }", "!Loop {}"] {
            assert_eq!(of(runner), Settings::default(), "{runner}");
        }
    }

    #[test]
    fn without_a_word_changes_are_made_and_taken_back() {
        let expected = Settings { mode: Mode::Apply, ..Settings::default() };
        assert_eq!(of("!AllocationRunner {node: !CgroupNode , allocator: !NOPAllocator }"), expected);
        assert_eq!(of("!Loop {allocator: !NOPAllocator }"), expected);
    }

    #[test]
    fn every_word_of_the_operator_arrives() {
        let settings = of("!AllocationRunner
  measurement_runner: !MeasurementRunner
    node: !CgroupNode
    allocation_configuration: !AllocationConfiguration
      cpu_quota_period: 50000
      cpu_shares_unit: 2000
      default_rdt_l3: L3:0=ff
      default_rdt_mb: MB:0=50
  allocator: !NOPAllocator
  mode: shadow
  on_exit: keep
  on_failure: keep
  adopt_ticks: 5
  on_foreign_write: {cpu_quota: report}
  reapply_per_minute: 6
  cpu_shares_conversion: kernel
  enable_controllers: true
  all_or_nothing: true
  allow_oom: true
  migrate_with_swap: true
  remove_all_resctrl_groups: true
  force: true
  rails: [!Rail {name: all, groups: [be, ''], clamp: true}]
  changed_tasks_per_minute: 0.25
  protect: [!Protect {name: db, signal: psi_memory}]
  cool_down: 5");
        let rail = wca_rules::Rail {
            name: "all".into(),
            place: "c.yaml:23".into(),
            groups: Some(vec!["be".into(), String::new()]),
            clamp: true,
            ..wca_rules::Rail::default()
        };
        let protect =
            wca_rules::Protect { place: "c.yaml:25".into(), ..wca_rules::Protect::of("db", Signal::PsiMemory) };
        let expected = Settings {
            mode: Mode::Shadow,
            cpu_quota_period: Some(50_000),
            cpu_shares_unit: 2_000,
            cpu_shares_conversion: SharesConversion::Kernel,
            enable_controllers: true,
            all_or_nothing: true,
            allow_oom: true,
            migrate_with_swap: true,
            migrate_bytes_per_step: 8 << 20,
            on_exit: OnExit::Keep,
            on_failure: OnFailure::Keep,
            adopt_ticks: 5,
            on_foreign_write: [(Kind::CpuQuota, OnForeignWrite::Report)].into(),
            reapply_per_minute: 6,
            rdt: RdtSettings {
                default_l3: Some("L3:0=ff".into()),
                default_mb: Some("MB:0=50".into()),
                named_groups: vec![String::new(), "be".into()],
                remove_all_groups: true,
                force: true,
            },
            rails: Rails(vec![rail]),
            changed_tasks_per_minute: Some(0.25),
            protect: vec![protect],
            cool_down: Duration::from_secs(5),
        };
        assert_eq!(settings, expected);
    }
}
