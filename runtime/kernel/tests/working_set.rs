//! How much memory tasks work with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use common::tick::{task, tick};
use common::{Machine, missing, real_cgroup, skipped, task_path};
use rstest::rstest;
use wca_kernel::{Hierarchies, Roots, Sampler, TaskCgroups, Wanted, WorkingSet};

/// Without a search for the working set.
fn every(reset_cycles: u32) -> WorkingSet {
    WorkingSet { reset_cycles, stable_cycles: 0, membw_threshold: None }
}

fn sampler(roots: &Roots, hierarchies: &Hierarchies, working_set: WorkingSet, tasks: &[TaskCgroups]) -> Sampler {
    let wanted = Wanted { working_set: Some(working_set), rdt_enabled: Some(false), ..Wanted::default() };
    let mut sampler = Sampler::new(roots, hierarchies, wanted);
    sampler.set_tasks(tasks);
    sampler
}

/// A machine with a cgroup of the processes 7 and 8.
fn machine(source: &str) -> Machine {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write(&format!("/proc/self/{source}"), "");
    machine.write("/sys/fs/cgroup/one/cgroup.procs", "7\n8\n");
    for (pid, kibibytes) in [(7, 100), (8, 24)] {
        machine
            .write(&format!("/proc/{pid}/{source}"), &format!("Rss: 900 kB\nReferenced: {kibibytes} kB\nSwap: 1 kB\n"));
        machine.write(&format!("/proc/{pid}/clear_refs"), "");
    }
    machine
}

fn of(machine: &Machine, working_set: WorkingSet) -> Sampler {
    sampler(&machine.roots(), &machine.hierarchies(), working_set, &[task(1, "/one")])
}

/// What the only task has referenced, and what is said of it.
fn referenced(machine: &Machine, sampler: &mut Sampler) -> (Option<f64>, Vec<String>) {
    let tick = tick(sampler);
    let about = ["smaps", "clear_refs", "task_w", "cgroup.procs"];
    let said = machine.sentences(&tick.notices).into_iter().filter(|text| about.iter().any(|word| text.contains(word)));
    (tick.of("task_wss_referenced_bytes")[0], said.collect())
}

fn resets(machine: &Machine) -> [String; 2] {
    [7, 8].map(|pid| std::fs::read_to_string(machine.path(&format!("/proc/{pid}/clear_refs"))).unwrap())
}

#[rstest]
#[case::since_linux_4_14("smaps_rollup")]
#[case::before("smaps")]
fn what_the_processes_of_a_task_have_referenced_adds_up(#[case] source: &str) {
    let machine = machine(source);
    let mut sampler = of(&machine, every(3));
    for reading in 1..=3 {
        assert_eq!(resets(&machine), ["", ""], "before reading {reading}");
        assert_eq!(referenced(&machine, &mut sampler), (Some(124.0 * 1_024.0), vec![]));
    }
    assert_eq!(resets(&machine), ["1\n", "1\n"]);
    let tick = tick(&mut sampler);
    assert!(tick.of("task_wss_measure_overhead_seconds")[0].is_some_and(|seconds| seconds > 0.0));
    assert!(tick.catalog.metric("task_working_set_size_bytes").is_none(), "nobody looks for it");
}

/// The marks of a process are there once: a task above another does not reset those of the one below.
#[test]
fn a_process_belongs_to_the_deepest_task_that_holds_it() {
    let machine = machine("smaps_rollup");
    machine.write("/sys/fs/cgroup/one/below/cgroup.procs", "9\n");
    machine.write("/proc/9/smaps_rollup", "Referenced: 10 kB\n");
    machine.write("/proc/9/clear_refs", "");
    let tasks = [task(1, "/one"), task(2, "/one/below")];
    let mut sampler = sampler(&machine.roots(), &machine.hierarchies(), every(1), &tasks);
    let first = tick(&mut sampler);
    assert_eq!(first.of("task_wss_referenced_bytes"), [None, Some(10_240.0)]);
    assert_eq!(first.of("task_wss_measure_overhead_seconds")[0], None);
    let told = machine.sentences(&first.notices).into_iter().filter(|text| text.contains("\"/one\"")).count();
    assert_eq!((told, resets(&machine)), (1, ["", ""].map(str::to_owned)));
    // A task is measured as soon as none is below it.
    sampler.set_tasks(&[task(1, "/one")]);
    assert_eq!(tick(&mut sampler).of("task_wss_referenced_bytes"), [Some(134.0 * 1_024.0)]);
    assert_eq!(resets(&machine), ["1\n", "1\n"]);
}

#[test]
fn without_a_cycle_nothing_is_reset() {
    let machine = machine("smaps_rollup");
    let mut sampler = of(&machine, every(0));
    (0..5).for_each(|_| drop(referenced(&machine, &mut sampler)));
    assert_eq!(resets(&machine), ["", ""]);
}

/// A process that ends in the midst costs itself alone; a task without any has no value.
#[test]
fn a_process_that_vanishes_costs_itself_and_no_more() {
    let machine = machine("smaps_rollup");
    let mut sampler = of(&machine, every(1));
    machine.remove("/proc/8");
    assert_eq!(referenced(&machine, &mut sampler), (Some(102_400.0), vec![]));
    // A process that is ending, and a thread of the kernel, have no memory.
    machine.write("/proc/8/smaps_rollup", "");
    assert_eq!(referenced(&machine, &mut sampler), (Some(102_400.0), vec![]));
    machine.remove("/proc/7");
    assert_eq!(referenced(&machine, &mut sampler), (None, vec![]));
    machine.remove("/sys/fs/cgroup/one");
    assert_eq!(referenced(&machine, &mut sampler), (None, vec![]));
}

#[test]
fn a_malformed_file_costs_its_process_and_is_told_once() {
    let machine = machine("smaps_rollup");
    machine.write("/proc/8/smaps_rollup", "Referenced: much kB\n");
    let mut sampler = of(&machine, every(1));
    let told = "\"/proc/8/smaps_rollup\" cannot be understood: \"Referenced: much kB\\n\"";
    assert_eq!(referenced(&machine, &mut sampler), (Some(102_400.0), vec![told.to_owned()]));
    assert_eq!(referenced(&machine, &mut sampler), (Some(102_400.0), vec![]));
}

#[test]
fn marks_that_cannot_be_reset_are_told_once() {
    let machine = machine("smaps_rollup");
    machine.remove("/proc/7/clear_refs");
    std::fs::create_dir(machine.path("/proc/7/clear_refs")).unwrap();
    let mut sampler = of(&machine, every(1));
    let told = "cannot write \"/proc/7/clear_refs\": Is a directory (os error 21)";
    assert_eq!(referenced(&machine, &mut sampler), (Some(126_976.0), vec![told.to_owned()]));
    assert_eq!(referenced(&machine, &mut sampler).1, [""; 0]);
}

#[test]
fn a_kernel_without_the_file_has_no_values_and_the_remedy_is_told() {
    let machine = machine("smaps_rollup");
    machine.remove("/proc/self/smaps_rollup");
    let mut sampler = of(&machine, every(1));
    let told = "task_wss_referenced_bytes is not measured here: /proc/self/smaps is not there: it takes a kernel with \
        CONFIG_PROC_PAGE_MONITOR";
    assert_eq!(referenced(&machine, &mut sampler), (None, vec![told.to_owned()]));
}

#[test]
fn a_working_set_takes_the_memory_traffic_of_tasks_and_that_is_told() {
    let machine = machine("smaps_rollup");
    let search = WorkingSet { reset_cycles: 0, stable_cycles: 2, membw_threshold: Some(0.1) };
    let mut sampler = of(&machine, search);
    let told = "task_working_set_size_bytes is not measured here: it takes task_mem_bandwidth_bytes, which needs resctrl with \
        memory bandwidth monitoring";
    assert_eq!(referenced(&machine, &mut sampler), (Some(126_976.0), vec![told.to_owned()]));
    assert_eq!(tick(&mut sampler).of("task_working_set_size_bytes"), [None]);
    assert_eq!(resets(&machine), ["", ""]);
}

/// A task keeps what was counted of it over rosters.
#[test]
fn cycles_go_on_over_rosters() {
    let machine = machine("smaps_rollup");
    let mut sampler = of(&machine, every(2));
    tick(&mut sampler);
    sampler.set_tasks(&[task(9, "/other"), task(1, "/one")]);
    tick(&mut sampler);
    assert_eq!(resets(&machine), ["1\n", "1\n"]);
}

/// A process that holds memory and touches a part of it for each line that it is given.
struct Toucher(Child, BufReader<std::process::ChildStdout>);

impl Toucher {
    fn start() -> Option<Self> {
        let script = "import sys\nb = bytearray(b'x') * (64 << 20)\nprint('ready', flush=True)\nfor line in sys.stdin:\n    n = \
            int(line) << 20\n    for at in range(0, n, 4096): b[at] = 1\n    print('done', flush=True)\n";
        let mut command = Command::new("python3");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let output = BufReader::new(child.stdout.take()?);
        let mut toucher = Self(child, output);
        toucher.answered("ready");
        Some(toucher)
    }

    fn touch(&mut self, mebibytes: usize) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{mebibytes}").unwrap();
        self.answered("done");
    }

    fn answered(&mut self, expected: &str) {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), expected);
    }
}

impl Drop for Toucher {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_real_process_that_touches_its_memory_after_a_reset() {
    const MEBIBYTE: f64 = 1_048_576.0;
    // A kernel that looks for idle memory by itself takes marks away meanwhile (Documentation/mm/damon/design.rst).
    const MARKED: f64 = 0.9;
    let (test, name) = ("a_real_process_that_touches_its_memory", "touches");
    if ["/proc/self/smaps_rollup", "/proc/self/clear_refs"].iter().any(|file| !Roots::system().path(file).exists()) {
        return skipped(test, "this kernel has no smaps_rollup or no clear_refs");
    }
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let Some(mut toucher) = Toucher::start() else {
        return missing(
            "python3",
            "python3, which touches memory, does not run here",
            "Debian's package python3 has it",
        );
    };
    scratch.add_process(toucher.0.id()).unwrap();
    let mut sampler = sampler(&Roots::system(), &hierarchies, every(1), &[task(1, &task_path(name))]);
    let mut read = || {
        let tick = tick(&mut sampler);
        tick.of("task_wss_referenced_bytes")[0].unwrap()
    };
    let all = read();
    assert!(all >= 64.0 * MARKED * MEBIBYTE, "{all}: all that was ever touched");
    let idle = read();
    assert!(idle < 8.0 * MEBIBYTE, "{idle}: what the process touches while it waits");
    for mebibytes in [16, 48] {
        toucher.touch(mebibytes);
        let touched = read();
        let bytes = f64::from(u32::try_from(mebibytes).unwrap()) * MEBIBYTE;
        // What the interpreter itself touches comes to some MiB; a huge page is marked as a whole.
        assert!((bytes * MARKED..bytes + 14.0 * MEBIBYTE).contains(&touched), "{touched} for {bytes}");
    }
    drop(toucher);
    scratch.remove().unwrap();
}
