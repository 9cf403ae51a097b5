//! A node with many tasks, within the limits that a policy has by default.

use wca_model::Platform;

use crate::harness::{BuiltIn, Scene};

const TASKS: u32 = 1_000;

/// All of a thousand tasks suffer at once, and one is busy only then.
#[test]
fn a_thousand_tasks_that_all_suffer_fit_a_call() {
    let yaml =
        "sample: 1\nsample_every: 1\nviolation_window: 5\ncorrelation_window: 10\nmemory: 60\nminimum_samples: 20\n";
    let mut policy = BuiltIn::start("components/cpi-detector", yaml, Platform::default()).unwrap();
    let mut scene = Scene::new();
    let mut totals = vec![[1e6_f64; 3]; TASKS as usize];
    let mut named = Vec::new();
    let mut lines = Vec::new();
    for second in 0..70 {
        let suffer = second >= 65;
        for (number, total) in totals.iter_mut().enumerate() {
            let is_culprit = number == 0;
            let usage = if is_culprit && !suffer { 0.0 } else { 1.0 };
            let cpi = if suffer && !is_culprit { 2.5 } else { 1.0 };
            total[0] += usage * 2e9;
            total[1] += usage * 2e9 / cpi;
            total[2] += usage;
            let task = scene.task(&format!("t{number}"));
            task.label("application", &format!("a{}", number / 2));
            for (metric, value) in
                ["task_cycles", "task_instructions", "task_cpu_usage_seconds"].into_iter().zip(*total)
            {
                task.counter(metric, &[], value);
            }
        }
        let tick = policy.tick(&scene);
        // What is too much to tell is refused, and no failure.
        assert_eq!(tick.failure, None, "second {second}");
        named = tick.contended.clone();
        lines.extend(tick.lines);
    }
    let by_it = named.iter().filter(|told| told.ends_with(" t0")).count();
    assert!(by_it == 99 && named.len() > by_it, "{by_it} of {}: {:?}", named.len(), &named[..3]);
    let too_many = "WARN there is more to tell than a call may (--limit metrics raises it): some of it is left out";
    assert!(lines.iter().filter(|line| *line == too_many).count() <= 1, "{lines:?}");
}

/// A node on which tasks of many groups come and go.
struct Churn {
    policy: BuiltIn,
    scene: Scene,
    totals: std::collections::BTreeMap<String, [f64; 3]>,
}

impl Churn {
    fn new() -> Self {
        let yaml =
            "sample: 1\nsample_every: 1\nviolation_window: 5\ncorrelation_window: 10\nmemory: 60\nminimum_samples: 5\n";
        let policy = BuiltIn::start("components/cpi-detector", yaml, Platform::default()).unwrap();
        Self { policy, scene: Scene::new(), totals: std::collections::BTreeMap::new() }
    }

    /// A second in which a task of the group of its own name uses so many cores.
    fn runs(&mut self, id: &str, usage: f64) {
        let total = self.totals.entry(id.to_owned()).or_insert([1e6; 3]);
        *total = [total[0] + usage * 2e9, total[1] + usage * 2e9, total[2] + usage];
        let task = self.scene.task(id).label("application", id);
        for (metric, value) in ["task_cycles", "task_instructions", "task_cpu_usage_seconds"].into_iter().zip(*total) {
            task.counter(metric, &[], value);
        }
    }

    /// Samples of a group so far, and what is said of groups that had to make room.
    fn tick(&mut self, group: &str) -> (Option<f64>, usize) {
        let tick = self.policy.tick(&self.scene);
        assert_eq!(tick.failure, None);
        let samples = tick.metric("cpi_detector_group_samples", &[("application", group), ("signal", "cpi")]);
        (samples, tick.lines.iter().filter(|line| line.contains("is lost; labels with fewer values keep it")).count())
    }
}

/// A task that has been idle for long lives on: groups whose tasks have ended make room for new ones before its own does.
#[test]
fn a_group_whose_tasks_live_outlasts_a_thousand_that_have_ended() {
    let mut churn = Churn::new();
    for _ in 0..10 {
        churn.runs("db", 1.0);
        churn.tick("db");
    }
    let before = churn.tick("db").0.unwrap();
    for batch in 0..4 {
        let names: Vec<String> = (0..400).map(|number| format!("job{}", batch * 400 + number)).collect();
        for _ in 0..3 {
            churn.runs("db", 0.0);
            names.iter().for_each(|name| churn.runs(name, 1.0));
            assert_eq!(churn.tick("db").1, 0);
        }
        names.iter().for_each(|name| churn.scene.end(name));
    }
    churn.runs("db", 1.0);
    churn.tick("db");
    churn.runs("db", 1.0);
    assert!(churn.tick("db").0.is_some_and(|samples| samples > before), "its history is kept");
}

#[test]
fn that_a_group_whose_tasks_live_makes_room_is_said_once() {
    let mut churn = Churn::new();
    let mut told = 0;
    for second in 0..6 {
        for number in 0..1_010 + second {
            churn.runs(&format!("t{number}"), 1.0);
        }
        told += churn.tick("t0").1;
    }
    assert_eq!(told, 1);
}
