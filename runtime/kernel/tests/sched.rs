//! What the scheduler counts of the threads of tasks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::process::{Child, Command, Stdio};

use common::{Machine, real_cgroup, skipped, task_path};
use wca_kernel::{Hierarchies, Lines, Roots, Sampler, TaskCgroups, Wanted};
use wca_model::TaskKey;

const DASHES: &str = "-------------------------------------------------------------------";

/// A machine with two cgroups: `one` of the threads 7 and 8, and `two` of the thread 9.
fn machine() -> Machine {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/proc/self/sched", "");
    machine.write("/sys/fs/cgroup/one/cgroup.threads", "7\n8\n");
    machine.write("/sys/fs/cgroup/two/cgroup.threads", "9\n");
    thread(&machine, 7, "nr_switches : 3\nwait_max : 5.500000\nprio : 120\n", 1);
    thread(&machine, 8, "nr_switches : 4\nwait_max : 2.250000\nprio : 120\n", 2);
    thread(&machine, 9, "nr_switches : 5\nwait_max : 1.000000\nprio : 120\n", 3);
    machine
}

fn thread(machine: &Machine, id: u32, keys: &str, faults: u32) {
    let faults = format!("numa_faults node=0 task_private={faults} task_shared=0 group_private=0 group_shared=0\n");
    machine.write(&format!("/proc/{id}/sched"), &format!("x ({id}, #threads: 1)\n{DASHES}\n{keys}{faults}"));
}

fn sampler(roots: &Roots, hierarchies: &Hierarchies, sched: Lines, tasks: &[&str]) -> Sampler {
    let mut sampler = Sampler::new(roots, hierarchies, Wanted { sched, ..Wanted::default() });
    let task =
        |(key, path): (u64, &&str)| TaskCgroups { key: TaskKey(key), cgroup: (*path).into(), containers: vec![] };
    sampler.set_tasks(&(1..).zip(tasks).map(task).collect::<Vec<_>>());
    sampler
}

fn of(machine: &Machine, sched: Lines) -> Sampler {
    sampler(&machine.roots(), &machine.hierarchies(), sched, &["/one", "/two"])
}

/// Labels of the series, and the values of all tasks; none for NaN.
type Series = Vec<(String, Vec<Option<f64>>)>;

/// Each series of both metrics, and what is said.
fn read(sampler: &mut Sampler) -> (Series, Vec<String>) {
    let mut values = Vec::new();
    let notices = sampler.sample(&mut values);
    let catalog = sampler.catalog();
    let rows = (values.len() - catalog.platform.len()) / catalog.columns.len();
    let mut series = Vec::new();
    for metric in ["task_sched_stat", "task_sched_stat_numa_faults"] {
        for column in catalog.columns_of(metric) {
            let labels: Vec<&str> = catalog.columns[column].labels.iter().map(|(_, label)| label.as_str()).collect();
            let values = &values[column * rows..][..rows];
            series.push((labels.join(" "), values.iter().map(|value| Some(*value).filter(|v| !v.is_nan())).collect()));
        }
    }
    (series, notices.iter().map(ToString::to_string).filter(|text| text.contains("sched")).collect())
}

fn expected(series: &[(&str, [Option<f64>; 2])]) -> Series {
    series.iter().map(|(labels, values)| ((*labels).to_owned(), values.to_vec())).collect()
}

#[test]
fn numbers_of_threads_add_up_save_maxima_and_those_that_mean_nothing_together() {
    let machine = machine();
    let mut sampler = of(&machine, Lines::All);
    let (series, said) = read(&mut sampler);
    let of_faults = [
        ("0 task_private", [Some(3.0), Some(3.0)]),
        ("0 task_shared", [Some(0.0), Some(0.0)]),
        ("0 group_private", [Some(0.0), Some(0.0)]),
        ("0 group_shared", [Some(0.0), Some(0.0)]),
    ];
    let of_keys = [("nr_switches", [Some(7.0), Some(5.0)]), ("wait_max", [Some(5.5), Some(1.0)])];
    assert_eq!((series, said), (expected(&[&of_keys[..], &of_faults[..]].concat()), vec![]));
    let version = sampler.catalog().version;
    thread(&machine, 9, "nr_switches : 9\nwait_max : 1.000000\n", 4);
    let (series, _) = read(&mut sampler);
    assert_eq!(series[0].1, [Some(7.0), Some(9.0)]);
    assert_eq!((series[2].1[1], sampler.catalog().version), (Some(4.0), version));
}

#[test]
fn keys_are_chosen_by_how_they_begin() {
    let machine = machine();
    let mut sampler = of(&machine, Lines::matching("nr_|sum").unwrap());
    let (series, _) = read(&mut sampler);
    assert_eq!(series.iter().filter(|(label, _)| !label.contains(' ')).count(), 1);
    let (series, said) = read(&mut of(&machine, Lines::Nothing));
    assert_eq!((series, said), (vec![], vec![]));
}

/// A thread that ends between two looks costs itself alone, and a task without any has no values.
#[test]
fn a_thread_that_vanishes_costs_itself_and_no_more() {
    let machine = machine();
    let mut sampler = of(&machine, Lines::All);
    read(&mut sampler);
    machine.remove("/proc/8");
    machine.remove("/proc/9");
    let (series, said) = read(&mut sampler);
    assert_eq!((&series[0].1, said), (&vec![Some(3.0), None], vec![]));
    machine.remove("/sys/fs/cgroup/one");
    let (series, said) = read(&mut sampler);
    assert_eq!((&series[0].1, said), (&vec![None, None], vec![]));
}

#[test]
fn a_malformed_file_is_told_once_with_its_path() {
    let machine = machine();
    machine.write("/proc/8/sched", "no such file\n");
    machine.write("/proc/9/sched", "no such file\n");
    let mut sampler = of(&machine, Lines::All);
    let (series, said) = read(&mut sampler);
    assert_eq!(series[0].1, [Some(3.0), None]);
    let [told] = said.as_slice() else { panic!("{said:?}") };
    assert!(told.ends_with("/proc/8/sched\" cannot be understood: \"no such file\\n\""), "{told}");
    assert_eq!(read(&mut sampler).1, [""; 0]);
}

#[test]
fn a_kernel_without_the_file_has_no_series_and_the_remedy_is_told() {
    let machine = machine();
    machine.remove("/proc/self/sched");
    let mut sampler = of(&machine, Lines::All);
    let (series, said) = read(&mut sampler);
    let expected = "task_sched_stat is not measured here: /proc/self/sched is not there: it takes a kernel with CONFIG_SCHED_DEBUG";
    assert_eq!((series, said), (vec![], vec![expected.to_owned()]));
}

#[test]
fn a_number_that_comes_later_is_a_series_more() {
    let machine = machine();
    let mut sampler = of(&machine, Lines::All);
    read(&mut sampler);
    let version = sampler.catalog().version;
    thread(&machine, 9, "nr_switches : 5\nnr_migrations_cold : 2\nwait_max : 1.000000\n", 3);
    let (series, _) = read(&mut sampler);
    assert_eq!(
        (series[2].clone(), sampler.catalog().version),
        (("nr_migrations_cold".into(), vec![None, Some(2.0)]), version + 1)
    );
}

/// A pod is its containers.
#[test]
fn containers_of_a_pod_add_up() {
    let machine = machine();
    let wanted = Wanted { sched: Lines::All, ..Wanted::default() };
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), wanted);
    let containers = vec!["/one".to_owned(), "/two".to_owned()];
    sampler.set_tasks(&[TaskCgroups { key: TaskKey(1), cgroup: "/pod".into(), containers }]);
    assert_eq!(read(&mut sampler).0[0], ("nr_switches".to_owned(), vec![Some(12.0)]));
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_real_process_that_sleeps_often_switches_often() {
    let (test, name) = ("a_real_process_that_sleeps_often", "switches");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    if !Roots::system().path("/proc/self/sched").exists() {
        return skipped(test, "this kernel has no /proc/PID/sched");
    }
    let script = "while :; do sleep 0.01; done";
    let running = Running(Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap());
    scratch.add_process(running.0.id()).unwrap();
    let mut sampler = sampler(&Roots::system(), &hierarchies, Lines::All, &[&task_path(name)]);
    let mut counted = Vec::new();
    for _ in 0..100 {
        let (series, said) = read(&mut sampler);
        assert_eq!(said, [""; 0]);
        let switches = series.iter().find(|(label, _)| label == "nr_switches").and_then(|(_, values)| values[0]);
        // Children come and go between two looks; the shell stays.
        counted.extend(switches);
        if counted.iter().any(|switches| *switches > 20.0) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(counted.iter().any(|switches| *switches > 20.0), "{counted:?}");
    drop(running);
    // What the shell had started ends by itself, and then the cgroup is empty.
    std::thread::sleep(std::time::Duration::from_millis(50));
    scratch.remove().unwrap();
}
