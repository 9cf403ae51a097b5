//! Batches on trial, with samples that are made up: a second from one to the next.

use rstest::rstest;
use wca_model::metric::MetricInfo;
use wca_model::{Catalog, MetricKind, Series, Signal};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn protect(name: &str, window: u64, compare_with: CompareWith) -> Protect {
    Protect {
        place: "c.yaml:1".into(),
        tasks: vec![("app".into(), "db".into())],
        floor: 0.05,
        window: SECOND * u32::try_from(window).unwrap(),
        compare_with,
        ..Protect::of(name, Signal::Metric("task_wait".into()))
    }
}

fn task(key: u64, app: &str) -> ControlledTask {
    ControlledTask {
        key: TaskKey(key),
        cgroup: format!("/{key}"),
        containers: vec![],
        labels: vec![("app".into(), app.into())],
        cpuset_is_managed_by: None,
    }
}

fn catalog() -> Catalog {
    let info = MetricInfo {
        name: "task_wait".into(),
        help: String::new(),
        kind: MetricKind::Gauge,
        unit: String::new(),
        levels: vec![],
        per_task: true,
    };
    Catalog { version: 1, metrics: vec![info], columns: vec![Series { metric: 0, labels: vec![] }], platform: vec![] }
}

/// A guard with its tasks and its clock.
struct Scene {
    guard: Guard,
    tasks: Vec<ControlledTask>,
    now: Duration,
    batches: u64,
}

impl Scene {
    /// The tasks 1 and 2 are protected, 3 is not.
    fn new(protects: Vec<Protect>) -> Self {
        let tasks = vec![task(1, "db"), task(2, "db"), task(3, "batch")];
        Self { guard: Guard::new(protects), tasks, now: SECOND * 100, batches: 0 }
    }

    /// One sample of each task, and what is judged then.
    fn sample(&mut self, values: &[f64]) -> Judged {
        self.now += SECOND;
        let (catalog, tasks) = (catalog(), Tasks::new(self.tasks.clone()));
        let timestamp = self.now.as_secs_f64();
        self.guard.sampled(self.now, &Sampled { timestamp, catalog: &catalog, values }, &tasks);
        self.guard.judge(self.now, SECOND, &tasks)
    }

    /// So many samples, of which the last may find something, and is the first to.
    fn samples(&mut self, count: usize, values: &[f64]) -> Judged {
        let mut judged = Judged::default();
        for at in 0..count {
            assert_eq!(judged.found, None, "before sample {at} of {count}");
            let next = self.sample(values);
            judged = Judged { good: next.good.or(judged.good), ..next };
        }
        judged
    }

    fn batch(&mut self, cgroups: &[&str]) -> u64 {
        self.batches += 1;
        let cgroups = cgroups.iter().map(|cgroup| (*cgroup).to_owned()).collect();
        self.guard.begin(&NewBatch { number: self.batches, cgroups });
        self.batches
    }
}

fn baseline(window: u64) -> Scene {
    Scene::new(vec![protect("p", window, CompareWith::Baseline)])
}

#[test]
fn a_task_that_gets_worse_is_found_when_the_window_is_over_and_not_before() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    let batch = scene.batch(&["/3"]);
    let Judged { good, found } = scene.samples(5, &[0.1, 0.6, 0.9]);
    assert_eq!(good, None, "it is to be undone");
    let found = found.unwrap();
    assert_eq!((found.batch, found.task, found.protect.name.as_str()), (batch, TaskKey(2), "p"));
    assert_eq!((found.regression.before, found.regression.after), (0.1, 0.6));
}

#[test]
fn who_is_not_protected_may_get_worse() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    let batch = scene.batch(&["/3"]);
    assert_eq!(scene.samples(9, &[0.1, 0.1, 1.0]), Judged { good: Some(batch), found: None });
}

#[test]
fn all_batches_since_the_last_good_one_are_to_blame() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/3"]);
    assert_eq!(scene.samples(5, &[0.1, 0.1, 0.1]).good, Some(1));
    scene.batch(&["/3"]);
    scene.samples(2, &[0.1, 0.1, 0.1]);
    let third = scene.batch(&["/1"]);
    // The second is on trial still when the third has done its harm: of its window two samples of five are good.
    let found = scene.samples(3, &[0.9, 0.1, 0.1]).found.unwrap();
    assert_eq!((found.batch, third), (2, 3));
    scene.guard.undone(&found);
    assert_eq!(scene.samples(12, &[0.1, 0.1, 0.1]), Judged::default(), "nothing is on trial any more");
}

#[test]
fn batches_between_two_samples_are_on_trial_together() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    scene.batch(&["/2"]);
    assert_eq!(scene.samples(5, &[0.1, 0.9, 0.1]).found.map(|found| found.batch), Some(1));
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    scene.batch(&["/2"]);
    assert_eq!(scene.samples(5, &[0.1, 0.1, 0.1]).good, Some(2));
}

#[test]
fn what_was_seen_while_it_was_in_force_is_no_baseline() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    let found = scene.samples(5, &[0.9, 0.1, 0.1]).found.unwrap();
    scene.guard.undone(&found);
    scene.samples(2, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    // Without what was thrown away the worst window before would have been one with 0.9.
    assert_eq!(scene.samples(5, &[0.9, 0.1, 0.1]).found.map(|found| found.regression.before), Some(0.1));
}

#[rstest]
#[case::all_alike(&["/3"], [0.8, 0.8, 0.1], None)]
#[case::one_of_two(&["/3"], [0.8, 0.1, 0.1], Some(1))]
#[case::a_touched_peer_says_nothing(&["/1", "/2"], [0.8, 0.8, 0.1], Some(1))]
#[case::nor_one_of_which_something_below_was_touched(&["/2/container"], [0.8, 0.8, 0.1], Some(1))]
fn peers(#[case] touched: &[&str], #[case] after: [f64; 3], #[case] expected: Option<u64>) {
    let mut scene = Scene::new(vec![protect("p", 5, CompareWith::Peers)]);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(touched);
    assert_eq!(scene.samples(5, &after).found.map(|found| found.task.0), expected);
}

#[test]
fn a_task_that_nothing_is_known_of_is_not_judged() {
    let mut scene = baseline(5);
    scene.samples(2, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    assert_eq!(scene.samples(9, &[0.9, 0.9, 0.1]), Judged { good: Some(1), found: None });
    // Nor one that says nothing any more: two windows are waited for.
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    assert_eq!(scene.samples(9, &[f64::NAN, 0.1, 0.1]).good, None);
    assert_eq!(scene.sample(&[f64::NAN, 0.1, 0.1]).good, Some(1));
    // Nor one that has gone.
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    scene.tasks.remove(0);
    assert_eq!(scene.samples(10, &[0.1, 0.1]).good, Some(1));
}

#[test]
fn each_watches_for_as_long_as_the_operator_wants() {
    let protects = vec![protect("short", 4, CompareWith::Baseline), protect("long", 10, CompareWith::Baseline)];
    let mut scene = Scene::new(protects);
    scene.samples(11, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    assert_eq!(scene.samples(4, &[0.1, 0.1, 0.1]).good, None, "the long one has not judged yet");
    scene.batch(&["/2"]);
    let found = scene.samples(4, &[0.1, 0.7, 0.1]).found.unwrap();
    assert_eq!((found.batch, found.protect.name.as_str()), (2, "short"), "the first has proved to be good by then");
}

#[test]
fn a_label_that_changes_takes_nobody_out() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.tasks[0].labels.clear();
    scene.batch(&["/1"]);
    assert!(scene.samples(5, &[0.9, 0.1, 0.1]).found.is_some());
    let tasks = |scene: &Scene| scene.guard.protected().map(|(_, tasks)| tasks).collect::<Vec<_>>();
    assert_eq!(tasks(&scene), [2]);
    // The operator has read his file again: what labels are now counts.
    let protects = scene.guard.protects.clone();
    assert!(!scene.guard.renew(&protects));
    scene.sample(&[0.1, 0.1, 0.1]);
    assert_eq!(tasks(&scene), [1]);
}

#[test]
fn others_that_are_protected_begin_anew() {
    let mut scene = baseline(5);
    scene.samples(6, &[0.1, 0.1, 0.1]);
    scene.batch(&["/1"]);
    assert!(scene.guard.renew(&[protect("q", 6, CompareWith::Baseline)]));
    assert_eq!(scene.samples(12, &[0.9, 0.1, 0.1]), Judged::default());
    assert_eq!(scene.guard.newest_batch(), 1, "what was seen before is not new");
}

#[test]
fn who_sees_nothing_says_so_once() {
    let mut scene = Scene::new(vec![Protect { signal: Signal::PsiCpu, ..protect("p", 5, CompareWith::Baseline) }]);
    let (catalog, tasks) = (catalog(), Tasks::new(scene.tasks.clone()));
    let sample = Sampled { timestamp: 1.0, catalog: &catalog, values: &[0.0; 3] };
    let told = scene.guard.sampled(SECOND, &sample, &tasks);
    let expected =
        "guard `p` (c.yaml:1) sees nothing: psi_cpu of tasks is not measured here; `wca doctor` says what is missing";
    assert_eq!(told, [expected]);
    assert_eq!(scene.guard.sampled(SECOND * 2, &sample, &tasks), Vec::<String>::new());
    assert_eq!(scene.guard.protected().collect::<Vec<_>>(), [("p", 0)]);
}

#[test]
fn a_task_without_the_signal_does_not_count_and_is_told_once() {
    let mut scene = baseline(5);
    let said = |scene: &mut Scene, values: &[f64]| {
        scene.now += SECOND;
        let (catalog, tasks) = (catalog(), Tasks::new(scene.tasks.clone()));
        let sample = Sampled { timestamp: scene.now.as_secs_f64(), catalog: &catalog, values };
        scene.guard.sampled(scene.now, &sample, &tasks)
    };
    let seen = |scene: &Scene| scene.guard.protected().map(|(_, tasks)| tasks).collect::<Vec<_>>();
    for at in 0..5 {
        assert_eq!(said(&mut scene, &[0.1, f64::NAN, 0.1]), Vec::<String>::new(), "sample {at}");
        assert_eq!(seen(&scene), [1]);
    }
    let expected = "guard `p` (c.yaml:1) sees nothing of /2: there was no task_wait for a whole window";
    assert_eq!(said(&mut scene, &[0.1, f64::NAN, 0.1]), [expected]);
    assert_eq!(said(&mut scene, &[0.1, f64::NAN, 0.1]), Vec::<String>::new());
    assert_eq!(said(&mut scene, &[0.1, 0.1, 0.1]), Vec::<String>::new());
    assert_eq!(seen(&scene), [2]);
}

#[test]
fn what_lies_above_or_below_is_related() {
    let cgroups = BTreeSet::from(["/a/b", "/c", "/c-d/e"]);
    let cases = [
        ("/a/b", true),
        ("/a", true),
        ("/a/b/x/y", true),
        ("/a/bb", false),
        ("/a/c", false),
        ("/c-d", true),
        ("/d", false),
        ("/c-", false),
    ];
    for (cgroup, expected) in cases {
        assert_eq!(has_related(&cgroups, cgroup), expected, "{cgroup}");
    }
}
