//! A machine in a folder: one cgroup hierarchy of v1 with files that take every text.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use wca_kernel::Roots;
use wca_kernel::values::{Spot, Values};
use wca_model::{Kind, Signal};
use wca_rules::Protect;

use crate::held::Owner;
use crate::plan::{Planned, Step};
use crate::policy::Policy;

const MOUNT: &str = "/sys/fs/cgroup/cpu";

/// The folder.
pub(crate) struct Machine {
    dir: TempDir,
}

impl Machine {
    /// Without any cgroup.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("proc/self")).unwrap();
        fs::create_dir_all(dir.path().join("proc/sys/kernel/random")).unwrap();
        fs::write(dir.path().join("proc/sys/kernel/random/boot_id"), "one\n").unwrap();
        let mountinfo = format!("30 25 0:26 / {MOUNT} rw,nosuid - cgroup cgroup rw,cpu\n");
        fs::write(dir.path().join("proc/self/mountinfo"), mountinfo).unwrap();
        fs::create_dir_all(dir.path().join(&MOUNT[1..])).unwrap();
        Self { dir }
    }

    /// With a cgroup of which `cpu.shares` and `cpu.cfs_quota_us` have these values.
    pub(crate) fn with(self, cgroup: &str, shares: &str, quota: &str) -> Self {
        fs::create_dir_all(self.path(cgroup, "")).unwrap();
        fs::write(self.path(cgroup, "cpu.shares"), shares).unwrap();
        fs::write(self.path(cgroup, "cpu.cfs_quota_us"), quota).unwrap();
        self
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::at(self.dir.path())
    }

    pub(crate) fn values(&self) -> Values {
        Values::find(&self.roots()).unwrap()
    }

    pub(crate) fn path(&self, cgroup: &str, file: &str) -> PathBuf {
        self.dir.path().join(&MOUNT[1..]).join(&cgroup[1..]).join(file)
    }

    pub(crate) fn read(&self, cgroup: &str, file: &str) -> String {
        fs::read_to_string(self.path(cgroup, file)).unwrap()
    }

    pub(crate) fn write(&self, cgroup: &str, file: &str, value: &str) {
        fs::write(self.path(cgroup, file), value).unwrap();
    }

    /// Where the run directory of a process on it is.
    pub(crate) fn run_dir(&self) -> PathBuf {
        let path = self.dir.path().join("run");
        fs::create_dir_all(&path).unwrap();
        path
    }
}

pub(crate) fn policy(name: &str) -> Policy {
    Policy { name: name.into(), digest: format!("digest of {name}") }
}

pub(crate) fn owner(cgroup: &str, kind: Kind) -> Owner {
    Owner { policy: policy("P"), cgroup: cgroup.into(), kind, domain: None, asked: "1".into() }
}

pub(crate) fn spot(cgroup: &str, file: &str) -> Spot {
    Spot::Cgroup { mount: MOUNT.into(), cgroup: cgroup.into(), file: file.into() }
}

/// A plan that writes these files of a cgroup.
pub(crate) fn planned(cgroup: &str, files: &[(&str, &str)]) -> Planned {
    let step = |(file, value): &(&str, &str)| Step { spot: spot(cgroup, file), value: (*value).to_owned() };
    Planned { steps: files.iter().map(step).collect(), adjusted: None }
}

/// Somebody who is protected, so that batches can be undone.
pub(crate) fn protect() -> Protect {
    Protect::of("p", Signal::PsiCpu)
}
