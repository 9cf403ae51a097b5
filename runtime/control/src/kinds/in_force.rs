//! What is in force: the files that requests write, read in the units of requests.

use std::collections::HashMap;

use wca_kernel::values::{Spot, numbers};
use wca_kernel::{Hierarchy, Version};
use wca_model::platform::CacheControl;
use wca_model::{InForce, Kind, RdtInForce};
use wca_rules::weights::SharesFormula;

use super::cpu_shares::{SHARES, WEIGHT, formula};
use super::place::{CPU, CPUSET, Controller, IO, MEMORY, Place};
use crate::context::Context;
use crate::tasks::ControlledTask;

/// Reads what is in force, and keeps what several tasks have in common.
pub(crate) struct Reader<'a> {
    context: &'a Context<'a>,
    /// Formulas of shares by the cgroup above.
    formulas: HashMap<String, Option<SharesFormula>>,
    /// Groups of resctrl by their names.
    groups: HashMap<String, RdtInForce>,
    /// Whether there are groups that WCA did not make, and so tasks in them that only the kernel knows of.
    has_strange_groups: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Self {
        let is_ours = |name: &String| context.journal.get(&Spot::Group { name: name.clone() }).is_some();
        let names = if context.platform.groups > 0 { context.values.control_groups() } else { Ok(Vec::new()) };
        let has_strange_groups = names.is_ok_and(|names| !names.iter().all(is_ours));
        Self { context, formulas: HashMap::new(), groups: HashMap::new(), has_strange_groups }
    }

    /// What is in force of a task. What cannot be read is left out.
    pub(crate) fn of(&mut self, task: &ControlledTask) -> InForce {
        let files = |controller| Files::find(controller, task, self.context);
        let (cpu, cpuset, memory, io) = (files(&CPU), files(&CPUSET), files(&MEMORY), files(&IO));
        let weight = cpu.as_ref().and_then(|cpu| cpu.number(WEIGHT));
        let limit = |v2: &str, v1: Option<&str>| {
            let memory = memory.as_ref()?;
            match memory.version {
                Version::V2 => memory.bytes(v2),
                Version::V1 => memory.bytes(v1?),
            }
        };
        InForce {
            cpu_quota: cpu.as_ref().and_then(|cpu| self.cpu_quota(cpu)),
            cpu_shares: cpu.as_ref().and_then(|cpu| self.cpu_shares(cpu, task, weight)),
            cpu_weight: weight,
            cpuset_cpus: cpuset
                .as_ref()
                .and_then(|files| files.list(&["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"])),
            cpuset_mems: cpuset
                .as_ref()
                .and_then(|files| files.list(&["cpuset.mems.effective", "cpuset.effective_mems", "cpuset.mems"])),
            cpuset_memory_migrate: cpuset.as_ref().and_then(|files| match files.version {
                // Pages follow always.
                Version::V2 => Some(true),
                Version::V1 => files.read("cpuset.memory_migrate").map(|text| text == "1"),
            }),
            memory_high: limit("memory.high", None),
            memory_max: limit("memory.max", Some("memory.limit_in_bytes")),
            memory_low: limit("memory.low", None),
            io_weight: io.as_ref().and_then(io_weight),
            rdt: self.rdt(task),
        }
    }

    fn cpu_quota(&self, cpu: &Files<'_>) -> Option<f64> {
        let (quota, period) = match cpu.version {
            Version::V2 => {
                let text = cpu.read("cpu.max")?;
                let (quota, period) = text.split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
            Version::V1 => (cpu.read("cpu.cfs_quota_us")?, cpu.read("cpu.cfs_period_us")?),
        };
        if quota == "max" || quota.starts_with('-') {
            return Some(1.0);
        }
        let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
        #[allow(clippy::cast_precision_loss, reason = "processors are few")]
        let cpus = self.context.platform.cpus.len().max(1) as f64;
        // More than the machine has is no limit.
        Some((quota / period / cpus).min(1.0)).filter(|share| share.is_finite())
    }

    fn cpu_shares(&mut self, cpu: &Files<'_>, task: &ControlledTask, weight: Option<f64>) -> Option<f64> {
        let unit = f64::from(self.context.settings.cpu_shares_unit.max(1));
        if cpu.version == Version::V1 {
            return cpu.number(SHARES).map(|shares| shares / unit);
        }
        let weight = weight?;
        // What was asked for is known better than a weight can tell.
        let spot = cpu.spot(&cpu.cgroup, WEIGHT);
        if let Some(entry) = self.context.journal.get(&spot)
            && entry.held.owner.kind == Kind::CpuShares
            && entry.held.now.as_deref().and_then(|now| now.parse().ok()) == Some(weight)
            && let Ok(asked) = entry.held.owner.asked.parse()
        {
            return Some(asked);
        }
        let above = cpu.cgroup.rsplit_once('/').map_or("", |(above, _)| above);
        let known = self.formulas.get(above).copied();
        let formula = known.unwrap_or_else(|| {
            let found = Place::find(&CPU, task, self.context).and_then(|place| formula(&place)).ok();
            self.formulas.insert(above.to_owned(), found);
            found
        })?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "weights are 1 to 10000")]
        #[allow(clippy::cast_precision_loss, reason = "shares are 2 to 262144")]
        let shares = formula.shares_of(weight as u64) as f64;
        Some(shares / unit)
    }

    fn rdt(&mut self, task: &ControlledTask) -> Option<RdtInForce> {
        if self.context.platform.groups == 0 {
            return None;
        }
        let spot = Spot::Threads { cgroup: task.cgroup.clone() };
        let group = match self.context.journal.get(&spot) {
            Some(entry) => entry.held.written.clone(),
            None if self.has_strange_groups => {
                let names = self.context.values.read(&spot).ok()?;
                // Of threads in several groups, and of none, there is no one group to tell of.
                (!names.contains('/')).then_some(names)?
            }
            None => String::new(),
        };
        if let Some(known) = self.groups.get(&group) {
            return Some(known.clone());
        }
        let read = self.group(&group);
        self.groups.insert(group, read.clone());
        Some(read)
    }

    fn group(&self, group: &str) -> RdtInForce {
        let platform = self.context.platform;
        let domains = |control: Option<&CacheControl>| control.map_or_else(Vec::new, |control| control.domains.clone());
        let cells = |resource: &str, domains: &[u32]| -> Vec<(u32, u64)> {
            let cell = |domain: &u32| {
                let spot = Spot::Schemata { group: group.to_owned(), resource: resource.to_owned(), domain: *domain };
                let text = self.context.values.read(&spot).ok()?;
                let radix = if resource == "MB" { 10 } else { 16 };
                Some((*domain, u64::from_str_radix(&text, radix).ok()?))
            };
            domains.iter().filter_map(cell).collect()
        };
        let (l3, l2) = (domains(platform.l3.as_ref()), domains(platform.l2.as_ref()));
        let mb = platform.bandwidth.as_ref().map_or_else(Vec::new, |control| control.domains.clone());
        let is_apart = |control: Option<&CacheControl>| control.is_some_and(|control| control.code_data);
        let part = |is_there: bool, resource: &str, domains: &[u32]| {
            if is_there { cells(resource, domains) } else { Vec::new() }
        };
        let (l3_apart, l2_apart) = (is_apart(platform.l3.as_ref()), is_apart(platform.l2.as_ref()));
        RdtInForce {
            group: group.to_owned(),
            l3: part(!l3_apart, "L3", &l3),
            l3_code: part(l3_apart, "L3CODE", &l3),
            l3_data: part(l3_apart, "L3DATA", &l3),
            l2: cells(if l2_apart { "L2DATA" } else { "L2" }, &l2),
            mb: cells("MB", &mb).into_iter().filter_map(|(id, value)| Some((id, u32::try_from(value).ok()?))).collect(),
        }
    }
}

/// The files of a task in the hierarchy of a controller.
struct Files<'a> {
    context: &'a Context<'a>,
    version: Version,
    mount: String,
    cgroup: String,
}

impl<'a> Files<'a> {
    fn find(controller: &Controller, task: &ControlledTask, context: &'a Context<'a>) -> Option<Self> {
        let has = |hierarchy: &&Hierarchy| hierarchy.has(controller.name(hierarchy.version));
        let hierarchy = context.values.hierarchies().all().iter().find(has)?;
        let mount = context.values.mount_of(hierarchy);
        Some(Self { context, version: hierarchy.version, mount, cgroup: task.cgroup.clone() })
    }

    fn spot(&self, cgroup: &str, file: &str) -> Spot {
        Spot::Cgroup { mount: self.mount.clone(), cgroup: cgroup.into(), file: file.into() }
    }

    fn read(&self, file: &str) -> Option<String> {
        self.context.values.read(&self.spot(&self.cgroup, file)).ok()
    }

    fn number(&self, file: &str) -> Option<f64> {
        self.read(file)?.parse().ok()
    }

    fn bytes(&self, file: &str) -> Option<f64> {
        let text = self.read(file)?;
        // On v1 the canonical form of no limit is -1.
        if text == "max" || text == "-1" {
            return Some(f64::INFINITY);
        }
        text.parse().ok()
    }

    /// The first of these files that is there and not empty: of the task's cgroup, or of the nearest above it.
    fn list(&self, files: &[&str]) -> Option<Vec<u32>> {
        let mut cgroup = self.cgroup.as_str();
        loop {
            let text = files.iter().find_map(|file| {
                let text = self.context.values.read(&self.spot(cgroup, file)).ok()?;
                (!text.is_empty()).then_some(text)
            });
            if let Some(text) = text {
                return Some(numbers(&text)?.into_iter().collect());
            }
            cgroup = match cgroup.rsplit_once('/')? {
                ("", "") => return None,
                ("", _) => "/",
                (above, _) => above,
            };
        }
    }
}

fn io_weight(io: &Files<'_>) -> Option<f64> {
    let files: &[(&str, f64)] = match io.version {
        Version::V2 => &[("io.weight", 1.0), ("io.bfq.weight", 1.0)],
        // Its default is 500 where that of the others is 100.
        Version::V1 => &[("blkio.bfq.weight", 1.0), ("blkio.weight", 5.0)],
    };
    files.iter().find_map(|(file, of_one)| {
        let text = io.read(file)?;
        let number: f64 = text.strip_prefix("default ").unwrap_or(&text).parse().ok()?;
        Some(number / of_one)
    })
}
