//! Where the files of a task stand: in which hierarchy, and whether its controller reaches the task.

use wca_kernel::values::{Spot, Values};
use wca_kernel::{Version, relative_cgroup_path};
use wca_model::TaskKey;
use wca_rules::is_close;

use super::controllers;
use crate::below::is_below;
use crate::context::Context;
use crate::held::Held;
use crate::plan::{Planned, Step};
use crate::tasks::ControlledTask;

/// A controller by its names.
pub(super) struct Controller {
    v1: &'static str,
    v2: &'static str,
}

impl Controller {
    /// Its name in a hierarchy of this version.
    pub(super) fn name(&self, version: Version) -> &'static str {
        match version {
            Version::V1 => self.v1,
            Version::V2 => self.v2,
        }
    }
}

pub(super) const CPU: Controller = Controller { v1: "cpu", v2: "cpu" };
pub(super) const CPUSET: Controller = Controller { v1: "cpuset", v2: "cpuset" };
pub(super) const MEMORY: Controller = Controller { v1: "memory", v2: "memory" };
pub(super) const IO: Controller = Controller { v1: "blkio", v2: "io" };

/// A task in the hierarchy of a controller.
pub(super) struct Place<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) version: Version,
    key: TaskKey,
    mount: String,
    /// With a leading `/`, and never the root.
    cgroup: String,
    /// Steps by which the controller comes to reach the task.
    enabling: Vec<Step>,
    /// Whether it does already. Where not, its files are not there yet, and have the kernel's first values.
    is_enabled: bool,
}

impl<'a> Place<'a> {
    /// Finds it. A controller that does not reach the task is to be enabled, or the reason to refuse.
    pub(super) fn find(
        controller: &Controller,
        task: &ControlledTask,
        context: &'a Context<'a>,
    ) -> Result<Self, String> {
        let relative = relative_cgroup_path(&task.cgroup).map_err(|why| format!("{:?}: {why}", task.cgroup))?;
        if relative.is_empty() {
            return Err("the root cgroup holds everything, and is not changed".into());
        }
        let hierarchies = context.values.hierarchies().all();
        let found = hierarchies.iter().find(|hierarchy| hierarchy.has(controller.name(hierarchy.version)));
        let hierarchy =
            found.ok_or_else(|| format!("no cgroup hierarchy of this machine has the controller {}", controller.v2))?;
        let mut place = Self {
            context,
            version: hierarchy.version,
            key: task.key,
            mount: context.values.mount_of(hierarchy),
            cgroup: format!("/{relative}"),
            enabling: Vec::new(),
            is_enabled: true,
        };
        let Some(_) = context.values.life(&place.spot("cgroup.procs")) else {
            return Err(format!("{}{} is not there", place.mount, place.cgroup));
        };
        if hierarchy.version == Version::V2 {
            let reach = controllers::reach(&place.mount, &place.cgroup, controller.v2, context)?;
            place.is_enabled = reach.is_enabled;
            place.enabling = reach.steps;
        }
        Ok(place)
    }

    fn values(&self) -> &Values {
        self.context.values
    }

    /// The task's cgroup, with a leading `/`.
    pub(super) fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Whether the controller reaches the task already.
    pub(super) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// A file of the task's cgroup.
    pub(super) fn spot(&self, file: &str) -> Spot {
        self.spot_of(&self.cgroup, file)
    }

    /// A file of another cgroup of the same hierarchy.
    pub(super) fn spot_of(&self, cgroup: &str, file: &str) -> Spot {
        Spot::Cgroup { mount: self.mount.clone(), cgroup: cgroup.into(), file: file.into() }
    }

    /// What stands in a file of a cgroup; none where there is no such file.
    pub(super) fn read_of(&self, cgroup: &str, file: &str) -> Result<Option<String>, String> {
        match self.values().read(&self.spot_of(cgroup, file)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// As [`Place::read_of`], of the task's cgroup.
    pub(super) fn read(&self, file: &str) -> Result<Option<String>, String> {
        self.read_of(&self.cgroup, file)
    }

    /// What is in force in a file of the task's cgroup; `first` where the controller is to be enabled yet.
    pub(super) fn in_force(&self, file: &str, first: &str) -> Result<String, String> {
        match self.read(file)? {
            Some(text) => Ok(text),
            None if !self.is_enabled => Ok(first.to_owned()),
            None => Err(format!("{} is not there: this kernel lacks it", self.spot(file))),
        }
    }

    /// What stood in a file before WCA first changed it; none where WCA does not hold it.
    pub(super) fn before(&self, cgroup: &str, file: &str) -> Option<&str> {
        let spot = self.spot_of(cgroup, file);
        let entry = self.context.journal.get(&spot)?;
        (self.values().life(&spot) == Some(entry.held.life)).then_some(entry.held.before.as_str())
    }

    /// What WCA holds in a file of the task's cgroup.
    pub(super) fn held(&self, file: &str) -> Option<&Held> {
        let spot = self.spot(file);
        let held = &self.context.journal.get(&spot)?.held;
        (self.values().life(&spot) == Some(held.life)).then_some(held)
    }

    /// The cgroups above the task's, the nearest first and the root last.
    pub(super) fn above(&self) -> Vec<String> {
        controllers::above(&self.cgroup)
    }

    /// The cgroups below the task's, each behind the one above it.
    pub(super) fn below(&self) -> Result<Vec<String>, String> {
        self.values().below(&self.mount, &self.cgroup).map_err(|error| error.to_string())
    }

    /// The task's cgroup and those below it, each behind the one above it.
    pub(super) fn subtree(&self) -> Result<Vec<String>, String> {
        let mut all = vec![self.cgroup.clone()];
        all.append(&mut self.below()?);
        Ok(all)
    }

    /// Whether a cgroup below the task's is that of another task, or below that.
    pub(super) fn is_of_another(&self, cgroup: &str) -> bool {
        self.context.tasks.iter().any(|other| {
            let is_inside = other.key != self.key && is_below(&other.cgroup, &self.cgroup);
            is_inside && (cgroup == other.cgroup || is_below(cgroup, &other.cgroup))
        })
    }

    /// The children of the cgroup above, of which the task's is one.
    pub(super) fn siblings(&self) -> Result<Vec<String>, String> {
        let above = self.cgroup.rsplit_once('/').map_or("", |(above, _)| above);
        let above = if above.is_empty() { "/" } else { above };
        self.values().children(&self.mount, above).map_err(|error| error.to_string())
    }

    /// One value for a file of the task's cgroup.
    pub(super) fn step(&self, file: &str, value: impl Into<String>) -> Step {
        self.step_of(&self.cgroup, file, value)
    }

    /// One value for a file of a cgroup.
    pub(super) fn step_of(&self, cgroup: &str, file: &str, value: impl Into<String>) -> Step {
        Step { spot: self.spot_of(cgroup, file), value: value.into() }
    }

    /// These steps, behind those by which the controller comes to reach the task.
    pub(super) fn planned(self, steps: Vec<Step>, adjusted: Option<String>) -> Planned {
        let mut all = self.enabling;
        all.extend(steps);
        Planned { steps: all, adjusted }
    }

    /// One number for one file, unless what is in force is as good as the same.
    pub(super) fn planned_number(
        self,
        file: &str,
        first: &str,
        number: u64,
        is_adjusted: bool,
    ) -> Result<Planned, String> {
        let in_force = self.in_force(file, first)?;
        let value = nearest(&in_force, number);
        let step = self.step(file, value.clone());
        Ok(self.planned(vec![step], is_adjusted.then_some(value)))
    }
}

/// The number that is to stand there: the one in force where it is as good as the same.
pub(super) fn nearest(in_force: &str, asked: u64) -> String {
    match in_force.parse::<u64>() {
        Ok(number) if is_close(number as f64, asked as f64) => in_force.to_owned(),
        _ => asked.to_string(),
    }
}

/// A limit in bytes, where `none` stands for no limit.
pub(super) fn bytes(text: &str, none: &str, spot: &Spot) -> Result<Option<u64>, String> {
    if text == none {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{spot} says {text:?}, which is no number of bytes"))
}
