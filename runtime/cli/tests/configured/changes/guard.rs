//! The guard over the effect of changes, on tasks of this machine: what squeezes a protected task is undone, what is innocent is not.

use super::*;
use crate::common::skipped;
use crate::text::Line;

/// Seconds from one iteration to the next: the kernel's periods of CPU bandwidth are a tenth of a second.
const INTERVAL: f64 = 0.25;
/// Iterations in a window.
const WINDOW: usize = 10;
/// Iterations before the first change: what was before must be known.
const QUIET: usize = 14;

/// Nothing, and then so little that a busy task is held back also where others leave it next to nothing of the machine.
const SQUEEZES: &str = "cpu_quota 1 0.01";

/// How often what comes of noise is tried; `.ci/full` wants more.
fn runs() -> u64 {
    std::env::var("WCA_GUARD_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// A task that is watched and one beside it that nothing may be changed of, both busy.
fn scene(name: &str) -> Scene {
    let group = group(name);
    let names: Vec<String> = ["watched", "beside"].iter().map(|task| format!("{group}/{task}")).collect();
    let tasks = names.iter().map(|name| Task::busy(name)).collect();
    Scene::with(names, tasks)
}

/// Arguments of a runner that protects these tasks by their names; nothing may be asked for of those in `hands_off`.
fn guarded(protect: &str, cool_down: f64, hands_off: &str) -> String {
    let window = INTERVAL * f64::from(u32::try_from(WINDOW).unwrap());
    format!(
        "  cool_down: {cool_down}\n  rails: [!Rail {{name: hands off, tasks: {{task_id: '{hands_off}'}}, kinds: []}}]\n  \
         protect:\n  - !Protect {{name: db, window: {window}, {protect}}}\n"
    )
}

/// A configuration with another value of each change after so many calls.
fn configure(scene: &Scene, runner: &str, changes: &str, every: usize) {
    let names: Vec<&str> = scene.names.iter().map(String::as_str).collect();
    scene.configure_at(INTERVAL, &names, runner, &format!("[{changes}], every: {every}"));
}

/// The values of a metric, in the order of time.
fn values(lines: &[Line], name: &str, label: &str, value: &str) -> Vec<f64> {
    lines.iter().filter(|line| line.is(name, label, value)).map(|line| line.value).collect()
}

fn reverts(scene: &Scene) -> f64 {
    values(&scene.setup.lines("metrics.prom"), "wca_guard_reverts", "guard", "db").last().copied().unwrap_or(0.0)
}

fn quota(scene: &Scene) -> String {
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.max")) { "cpu.max" } else { "cpu.cfs_quota_us" };
    scene.read(file)
}

#[test]
fn what_squeezes_a_protected_task_is_undone_within_its_window() {
    if !can_make_cgroups() {
        return;
    }
    for run in 0..runs() {
        let scene = scene("squeezed");
        let found = quota(&scene);
        let protect = "signal: throttling, labels: {task_id: '*/watched'}";
        configure(&scene, &guarded(protect, 600.0, "*/beside"), SQUEEZES, QUIET);
        let mut wca = scene.start();
        wca.until("the quota has changed", |_| quota(&scene) != found);
        wca.until("what was found is back", |_| quota(&scene) == found);
        wca.until("the next turn", |setup| {
            setup.read("stderr").contains("cooling down, since its changes were undone")
        });
        let journal = scene.operate("journal");
        let told = "Changer may change nothing for ";
        assert!(journal.stderr.contains(told) && journal.stderr.contains("throttling of /"), "{run}: {journal:#?}");
        assert!(!journal.stdout.contains("asked for by"), "{run}: nothing is held any more: {journal:#?}");
        let explained = scene.operate_with("explain", &[&scene.names[0]]);
        assert!(explained.stderr.contains(told), "{run}: {explained:#?}");
        let explained = scene.operate_with("explain", &[&scene.names[1]]);
        assert!(!explained.stderr.contains(told), "{run}: of the other task nothing was undone: {explained:#?}");
        let finished = wca.stop();
        finished.says("guard `db` (");
        finished.says("it is undone, and the policy may change nothing for 600s");
        finished.ends_with(0);
        scene.is_as_found("after the end");

        let lines = scene.setup.lines("allocations.prom");
        let of_watched: Vec<f64> = lines
            .iter()
            .filter(|line| line.name == "allocation_cpu_quota" && line.label("task") == scene.names[0])
            .map(|line| line.value)
            .collect();
        let squeezed = of_watched.iter().filter(|value| **value < 0.1).count();
        assert!((3..=WINDOW).contains(&squeezed), "{run}: {squeezed} iterations of {of_watched:?}");
        let lines = scene.setup.lines("anomalies.prom");
        let fates = values(&lines, "changer_outcomes", "fate", "reverted");
        assert_eq!(fates, [1.0], "{run}: told once");
        let anomaly = lines.iter().find(|line| line.name == "anomaly").unwrap();
        assert_eq!(anomaly.label("contended_task_id"), scene.names[0], "{run}");
        let (before, after) =
            (values(&lines, "guard_signal_before", "guard", "db"), values(&lines, "guard_signal_after", "guard", "db"));
        assert!(before == [0.0] && after.len() == 1 && after[0] > 0.5, "{run}: {before:?}, {after:?}");
        assert_eq!(reverts(&scene), 1.0, "{run}");
        let lines = scene.setup.lines("metrics.prom");
        let cooling = values(&lines, "wca_guard_cooling_down_seconds", "policy", "Changer");
        assert!(cooling.iter().any(|left| (500.0..=600.0).contains(left)), "{run}: {cooling:?}");
        assert_eq!(values(&lines, "wca_guard_tasks", "guard", "db").last(), Some(&1.0), "{run}");
    }
}

/// Whether the kernel says of each cgroup how long its processes wait.
fn has_pressure(scene: &Scene) -> bool {
    scene.tasks[0].dirs().iter().any(|dir| dir.join("cpu.pressure").exists())
}

/// The protected task has a processor, whatever else runs on the machine, so that it waits for none by itself.
fn come_first(task: &Task) {
    for dir in task.dirs() {
        let above = dir.parent().unwrap();
        for (file, most) in [("cpu.shares", "262144"), ("cpu.weight", "10000")] {
            if above.join(file).exists() {
                fs::write(above.join(file), most).unwrap();
            }
        }
    }
}

#[test]
fn a_protected_task_that_waits_for_a_processor_gets_back_what_it_had() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("waiting");
    let names: Vec<String> = ["watched", "beside"].iter().map(|task| format!("{group}/{task}")).collect();
    let tasks = vec![Task::busy(&names[0]), Task::idle(&names[1])];
    let scene = Scene::with(names, tasks);
    if !has_pressure(&scene) {
        skipped("this kernel has no pressure of cgroups");
        return;
    }
    come_first(&scene.tasks[0]);
    let found = quota(&scene);
    configure(&scene, &guarded("signal: psi_cpu, labels: {task_id: '*/watched'}", 600.0, "*/beside"), SQUEEZES, QUIET);
    let mut wca = scene.start();
    wca.until("the quota has changed", |_| quota(&scene) != found);
    wca.until("what was found is back", |_| quota(&scene) == found);
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 2);
    let finished = wca.stop();
    finished.says("): psi_cpu of /");
    finished.ends_with(0);
    scene.is_as_found("after the end");
    let lines = scene.setup.lines("anomalies.prom");
    let after = values(&lines, "guard_signal_after", "guard", "db");
    let before = values(&lines, "guard_signal_before", "guard", "db");
    assert!(before.len() == 1 && after.len() == 1 && before[0] < 0.5 && after[0] > 0.8, "{before:?}, {after:?}");
    assert_eq!(reverts(&scene), 1.0);
    let lines = scene.setup.lines("metrics.prom");
    assert_eq!(values(&lines, "wca_guard_tasks", "guard", "db").last(), Some(&1.0));
}

#[test]
fn what_harms_nobody_is_never_undone_however_much_others_do() {
    if !can_make_cgroups() {
        return;
    }
    for run in 0..runs() {
        let group = group("innocent");
        let names: Vec<String> = ["idle", "db-1", "db-2"].iter().map(|task| format!("{group}/{task}")).collect();
        let mut tasks = vec![Task::idle(&names[0])];
        tasks.extend(names[1..].iter().map(|name| Task::busy(name)));
        let scene = Scene::with(names, tasks);
        let _noise: Vec<Task> = (0..2).map(|at| Task::bursts(&format!("{group}/noise-{at}"), 2 * run + at)).collect();
        let found = quota(&scene);
        let more = "  - !Protect {name: by throttling, window: 2.5, signal: throttling, labels: {task_id: '*/db-*'}}\n";
        let protect = "signal: psi_cpu, compare_with: peers, labels: {task_id: '*/db-*'}";
        let runner = guarded(protect, 1.0, "*/db-*") + more;
        configure(&scene, &runner, "cpu_quota 1 0.5 0.25, cpu_shares 2 4", QUIET);
        let mut wca = scene.start();
        wca.until("the quota has changed", |_| quota(&scene) != found);
        wca.until_ticks("metrics.prom", 6 * QUIET);
        let finished = wca.stop();
        let lines = scene.setup.lines("metrics.prom");
        let all = lines.iter().filter(|line| line.name == "wca_guard_reverts").count();
        assert_eq!(all, 0, "{run}: {finished:#?}");
        let mut seen = vec!["by throttling"];
        seen.extend(has_pressure(&scene).then_some("db"));
        for guard in seen {
            assert_eq!(values(&lines, "wca_guard_tasks", "guard", guard).last(), Some(&2.0), "{run}: {guard}");
        }
        finished.ends_with(0);
        scene.is_as_found("after the end");
    }
}

#[test]
fn one_that_does_it_again_waits_longer_each_time() {
    if !can_make_cgroups() {
        return;
    }
    let scene = scene("flapping");
    let protect = "signal: throttling, labels: {task_id: '*/watched'}";
    configure(&scene, &guarded(protect, 1.0, "*/beside"), SQUEEZES, QUIET);
    let mut wca = scene.start();
    wca.until("it was undone three times", |_| reverts(&scene) >= 3.0);
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 2);
    let finished = wca.stop();
    for wait in ["1s", "2s", "4s"] {
        finished.says(&format!("it is undone, and the policy may change nothing for {wait}"));
    }
    finished.ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn a_file_that_is_read_again_takes_nothing_from_what_was_decided() {
    if !can_make_cgroups() {
        return;
    }
    let scene = scene("reread");
    let found = quota(&scene);
    let protect = "signal: throttling, labels: {task_id: '*/watched'}";
    configure(&scene, &guarded(protect, 600.0, "*/beside"), SQUEEZES, 5 * QUIET);
    let mut wca = scene.start();
    wca.until("the quota has changed", |_| quota(&scene) != found);
    scene.operate("freeze").ends_with(0);
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 2 * WINDOW);
    assert_ne!(quota(&scene), found, "while frozen nothing is undone");
    let journal = scene.operate("journal");
    assert!(journal.stdout.contains("ago, on trial\n"), "{journal:#?}");
    scene.operate("thaw").ends_with(0);
    wca.until("what was found is back", |_| quota(&scene) == found);
    // The same policy, with another guard.
    configure(&scene, &guarded("signal: psi_cpu", 600.0, "*/beside"), SQUEEZES, 5 * QUIET);
    scene.setup.reload().ends_with(0);
    let journal = scene.operate("journal");
    assert!(journal.stderr.contains("Changer may change nothing for "), "{journal:#?}");
    wca.stop().ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn a_share_of_the_tasks_is_changed_and_no_more() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("share", 4);
    scene.configure("  changed_tasks_per_minute: 0.5\n", "[cpu_quota 0.5]");
    let mut wca = scene.start();
    wca.until("two have changed", |_| scene.values() != scene.found);
    wca.until_ticks("metrics.prom", 5);
    let changed: Vec<bool> = scene
        .tasks
        .iter()
        .map(|task| scene.values_of(&[task]).iter().any(|(path, value)| scene.found[path] != *value))
        .collect();
    assert_eq!(changed, [true, true, false, false]);
    let finished = wca.stop();
    finished.says("2 of 4 tasks were changed within a minute, and 2 may be (changed_tasks_per_minute: 0.5)");
    finished.ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn values_of_a_policy_that_fails_too_often_go_back_or_stay() {
    if !can_make_cgroups() {
        return;
    }
    for (on_failure, goes_back) in [("restore", true), ("keep", false)] {
        let scene = Scene::new("failing", 1);
        scene.configure(&format!("  on_failure: {on_failure}\n"), "[cpu_quota 0.5], fails: 5");
        let changer = format!("Changer={}", component("tests/guests/changer/changer.wasm"));
        let mut wca = scene.setup.start(&["-r", &changer, "--limit", "quarantine-after=1"]);
        wca.until("the quota has changed", |_| scene.values() != scene.found);
        wca.until("it is called no more", |setup| {
            values(&setup.lines("metrics.prom"), "wca_policy_quarantined", "policy", "Changer").last() == Some(&1.0)
        });
        let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
        wca.until_ticks("metrics.prom", ticks + 2);
        assert_eq!(scene.values() == scene.found, goes_back, "{on_failure}");
        wca.stop().ends_with(0);
        scene.is_as_found("after the end");
    }
}

#[test]
fn when_the_agent_dies_values_go_back_or_stay_whatever_is_done_at_the_end() {
    if !can_make_cgroups() {
        return;
    }
    for (on_failure, goes_back) in [("restore", true), ("keep", false)] {
        let scene = Scene::new("dying", 1);
        // It asks in its first call alone.
        scene.configure(
            &format!("  on_exit: keep\n  on_failure: {on_failure}\n  adopt_ticks: 1000\n"),
            "[cpu_quota 0.5], calls: 1",
        );
        let mut wca = scene.start();
        wca.until("the quota has changed", |_| scene.values() != scene.found);
        let ours = scene.values();
        wca.until_ticks("metrics.prom", 3);
        killed::kill_agents(&wca);
        if goes_back {
            wca.until("it was put back", |setup| setup.read("stderr").contains("values of the agent that has ended: "));
        } else {
            wca.until("it has begun again", |setup| setup.read("stderr").contains("it is started again"));
            assert_eq!(scene.values(), ours);
            assert!(!scene.setup.read("stderr").contains("values of the agent that has ended: "));
        }
        wca.stop().ends_with(0);
        scene.operate("restore").ends_with(0);
        scene.is_as_found("after restore");
    }
}
