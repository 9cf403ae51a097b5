//! A run without any rights: what a user may see is measured, and nobody needs root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::common::{Finished, copy_program, skipped};
use crate::setup::Setup;

/// A user that has nothing.
const USER: u32 = 54321;

/// A folder of this user's own, with the program in reach.
struct Home {
    setup: Setup,
    program: PathBuf,
    is_other: bool,
}

impl Home {
    fn with(yaml: &str) -> Self {
        let setup = Setup::with(yaml);
        let (program, is_other) = (setup.path("wca"), rustix::process::geteuid().is_root());
        // The folder of the build may be closed to others.
        copy_program(&program);
        fs::create_dir(setup.path("runtime")).unwrap();
        fs::set_permissions(setup.path("runtime"), Permissions::from_mode(0o700)).unwrap();
        let home = Self { setup, program, is_other };
        for path in [home.setup.folder(), &home.setup.path("runtime"), &home.setup.path("config.yaml")] {
            home.give(path);
        }
        home
    }

    fn give(&self, path: &Path) {
        if self.is_other {
            chown(path, Some(USER), Some(USER)).unwrap();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("HOME", self.setup.folder());
        command.env("XDG_RUNTIME_DIR", self.setup.path("runtime")).current_dir(self.setup.folder());
        if self.is_other {
            command.uid(USER).gid(USER);
        }
        command
    }
}

const YAML: &str = "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.05\n    node: \
                    !CgroupNode \n    metrics_storage: !LogStorage {output_filename: metrics.prom}\n  detector: \
                    !NOPAnomalyDetector\n  anomalies_storage: !LogStorage {output_filename: anomalies.prom, overwrite: true}\n";

#[test]
fn a_user_without_rights_runs_a_configuration_and_reads_it_again() {
    let home = Home::with(YAML);
    let mut started = home.setup.spawn(home.command(&["-c", "config.yaml"]));
    started.until_ticks("metrics.prom", 3);
    let reload = || Finished::of(&home.command(&["reload"]).output().unwrap());
    home.setup.configure(&YAML.replace("node: !CgroupNode ", "extra_labels: {again: 'yes'}\n    node: !CgroupNode "));
    home.give(&home.setup.path("config.yaml"));
    reload().ends_with(0);
    started.until("the new label", |setup| setup.lines("metrics.prom").iter().any(|line| line.label("again") == "yes"));
    home.setup.configure("runner: 1\n");
    home.give(&home.setup.path("config.yaml"));
    reload().ends_with(1).says("config.yaml:1:9");
    started.signal(Signal::INT);
    started.finish().ends_with(0);
    let lines = home.setup.lines("metrics.prom");
    let calls: Vec<f64> = lines.iter().filter(|line| line.name == "wca_policy_calls").map(|line| line.value).collect();
    assert!(calls.is_sorted(), "{calls:?}");
    assert!(lines.iter().any(|line| line.name == "platform_cpu_usage"));
    assert_eq!(home.setup.lines("anomalies.prom").len(), 1);
}

#[test]
fn a_user_starts_nothing_with_somebody_elses_file() {
    let home = Home::with(YAML);
    if !home.is_other {
        return skipped("somebody else's file: this user can give none away");
    }
    chown(home.setup.path("config.yaml"), Some(0), Some(0)).unwrap();
    let finished = Finished::of(&home.command(&["-c", "config.yaml", "--iterations", "1"]).output().unwrap());
    finished.ends_with(1);
    assert_eq!(
        finished.stderr,
        "wca: config.yaml: it belongs to user 0, and WCA is started by user 54321; only its owner or root may start WCA with it\n"
    );
}
