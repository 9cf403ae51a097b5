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
