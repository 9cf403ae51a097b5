//! Events of tasks on a kernel with a PMU, beside those that a small program of the test bed counts for the same cgroups.
//! Virtual time, so that both see the same whatever this machine is busy with.

use std::fs;

use crate::{run_inside_with, testbed};

/// What `testbed/count-events.sh` has printed.
struct Counted {
    text: String,
}

impl Counted {
    /// Runs the script with these settings; none where there is no test bed, which is said.
    fn with(settings: &str) -> Option<Self> {
        let run = testbed()?;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings");
        fs::write(&file, settings).unwrap();
        let files = [format!("{}:/test/settings", file.display())];
        Some(Self { text: run_inside_with(&run, &["--icount"], "count-events.sh", &files) })
    }

    /// One of the files that it has printed.
    fn file(&self, name: &str) -> &str {
        let (_, rest) = self.text.split_once(&format!("{name} BEGIN\n")).unwrap_or_else(|| panic!("{}", self.text));
        rest.split_once(&format!("{name} END")).unwrap().0
    }

    /// The value of a task at the end; none where it is absent.
    fn of(&self, metric: &str, task: &str) -> Option<f64> {
        self.value("metrics.prom", metric, "", task)
    }

    fn value(&self, file: &str, metric: &str, first: &str, task: &str) -> Option<f64> {
        let series = format!("{metric}{{{first}host=\"(none)\",task_id=\"wca/{task}\",task_name=\"wca/{task}\"}} ");
        let line = self.file(file).lines().find_map(|line| line.strip_prefix(&series))?;
        Some(line.parse().unwrap())
    }

    /// What the other program has counted of an event.
    fn other(&self, event: &str) -> f64 {
        let line = self.file("numatest.txt").lines().find(|line| line.contains(&format!("hw:{event} "))).unwrap();
        line.split_once("value=").unwrap().1.split(' ').next().unwrap().parse().unwrap()
    }
}

/// Whether two counts agree within 2 %.
fn agree(one: f64, other: f64) -> bool {
    (one - other).abs() <= 0.02 * other
}

#[test]
fn cycles_and_instructions_are_those_that_another_program_counts() {
    let Some(counted) = Counted::with("") else { return };
    for (metric, event) in [("task_cycles", "cycles"), ("task_instructions", "instructions")] {
        let (ours, theirs) = (counted.of(metric, "busy").unwrap(), counted.other(event));
        assert!(theirs > 1e9 && agree(ours, theirs), "{metric}: {ours} and {theirs}");
        assert_eq!(counted.of(metric, "idle"), None, "what never ran was never counted");
    }
    // While it works. The test bed's processor retires three instructions in two cycles.
    let during = |metric: &str| counted.value("during.prom", metric, "", "busy");
    assert!(agree(during("task_ipc").unwrap(), 1.5), "{:?}", during("task_ipc"));
    assert!(agree(during("task_ips").unwrap(), 3e9), "{:?}", during("task_ips"));
    assert_eq!((during("task_scaling_factor_avg"), during("task_scaling_factor_max")), (Some(1.0), Some(1.0)));
    // When it sleeps again there is nothing to divide by, which stops nothing.
    assert_eq!(counted.of("task_ipc", "busy"), None);
    assert_eq!(counted.of("task_ips", "busy"), Some(0.0));
}

#[test]
fn a_task_that_moves_counts_in_each_of_its_cgroups() {
    let Some(counted) = Counted::with("MOVES=1") else { return };
    for (metric, event) in [("task_cycles", "cycles"), ("task_instructions", "instructions")] {
        let (before, after) = (counted.of(metric, "busy").unwrap(), counted.of(metric, "other").unwrap());
        assert!(before > 1e9 && after > 1e9, "{metric}: {before} and {after}");
        assert!(agree(before + after, counted.other(event)), "{before} + {after}, {}", counted.other(event));
    }
}

#[test]
fn each_processor_has_its_own_count_where_they_are_not_summed() {
    let Some(counted) = Counted::with("AGGREGATE=false") else { return };
    let of = |cpu: u32| counted.value("metrics.prom", "task_instructions", &format!("cpu=\"{cpu}\","), "busy");
    let all: f64 = (0..4).filter_map(of).sum();
    assert!(agree(all, counted.other("instructions")), "{all} and {}", counted.other("instructions"));
    // It works on the second one alone; what started it may have run elsewhere.
    assert!(of(1).unwrap() > 0.9 * all, "{:?} of {all}", of(1));
    let ipc = counted.value("during.prom", "task_ipc", "cpu=\"1\",", "busy");
    assert!(agree(ipc.unwrap(), 1.5), "{ipc:?}");
}

/// Eleven events do not fit the eight counters, of which the kernel's watchdog has one. The test bed's model of a processor loses counts when
/// a counter changes hands, so that what is counted is only known to be less than without others.
#[test]
fn events_that_do_not_fit_together_take_turns() {
    let raw: Vec<String> = (0..9).map(|at| format!("branches{at}__rc400")).collect();
    let settings = format!("EVENTS='[cycles, instructions, {}]'", raw.join(", "));
    let Some(counted) = Counted::with(&settings) else { return };
    let factor = |metric: &str| counted.value("during.prom", metric, "", "busy").unwrap();
    assert!(factor("task_scaling_factor_avg") > 1.1 && factor("task_scaling_factor_max") > 1.5, "{}", counted.text);
    for event in &raw {
        let (during, end) = (counted.value("during.prom", event, "", "busy"), counted.of(event, "busy"));
        let (Some(during), Some(end)) = (during, end) else { panic!("{event}: {during:?} {end:?}") };
        assert!(during > 0.0 && end >= during, "{event}: {during} {end}");
    }
    assert!(counted.of("task_cycles", "busy").unwrap() > 1e9);
}

#[test]
fn a_kernel_that_knows_no_cgroups_yet_is_said_with_the_remedy() {
    let Some(counted) = Counted::with("UNTOUCHED=1") else { return };
    let said = counted.file("wca.txt");
    let of_counters: Vec<&str> = said.lines().filter(|line| line.contains("is not counted")).collect();
    let [line] = of_counters.as_slice() else { panic!("{said}") };
    assert!(line.ends_with("remedy: echo +cpu > /sys/fs/cgroup/cgroup.subtree_control"), "{line}");
    assert_eq!((counted.of("task_cycles", "busy"), counted.of("task_up", "busy")), (None, Some(1.0)));
}
