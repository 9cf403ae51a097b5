//! The harness itself, with guests whose answers are known.

use wca_model::{Fate, Kind};

use crate::harness::{BuiltIn, Scene, machine};

const CHANGER: &str = "tests/guests/changer";
const BUSY: &str = "guest-examples/busy-task";

fn small() -> wca_model::Platform {
    machine(&[(0, &[0, 1], 1 << 30), (1, &[2, 3], 1 << 30)])
}

#[test]
fn what_is_asked_for_is_told_by_tasks_and_comes_into_force() {
    let yaml = "changes: ['cpu_quota 0.5', 'cpuset_cpus 2,3', 'cpu_weight 0']";
    let mut policy = BuiltIn::start(CHANGER, yaml, small()).unwrap();
    let mut scene = Scene::new();
    scene.task("t1").label("app", "db").resource("mem", 1e9).container("c1");
    scene.task("t2");
    let tick = policy.tick(&scene);
    assert_eq!(tick.asked, ["t1 cpu_quota 0.5", "t1 cpuset_cpus 2,3", "t2 cpu_quota 0.5", "t2 cpuset_cpus 2,3"]);
    assert_eq!(tick.refused, 2);
    assert_eq!(tick.refusal.as_deref(), Some("cpu_weight 0: a number from 1 to 10000 is taken"));
    assert_eq!(tick.lines[0], "WARN cpu_weight 0: invalid: cpu_weight 0: a number from 1 to 10000 is taken");
    assert_eq!(tick.failure, None);
    scene.apply(&tick);
    assert_eq!(scene.task("t2").in_force.cpuset_cpus, Some(vec![2, 3]));
    assert_eq!(scene.task("t1").in_force.cpu_quota, Some(0.5));
}

#[test]
fn outcomes_arrive_and_metrics_are_found_by_their_labels() {
    let mut policy = BuiltIn::start(CHANGER, "changes: [cpu_quota 0.5]", small()).unwrap();
    let mut scene = Scene::new();
    scene.task("t1");
    assert!(policy.tick(&scene).clean().metrics.is_empty());
    let outcomes = [("t1", Kind::CpuQuota, None, Fate::Failed("busy".into()))];
    let tick = policy.tick_after(&scene, &outcomes).clean();
    assert_eq!(tick.metric("changer_outcomes", &[("fate", "failed"), ("kind", "cpu_quota")]), Some(1.0));
    assert_eq!(tick.metric("changer_outcomes", &[("kind", "cpu_quota")]), None);
    assert_eq!(tick.lines, ["WARN cpu_quota: busy"]);
}

#[test]
fn rates_follow_tasks_over_ticks_and_a_task_that_comes_again_is_another() {
    let mut policy = BuiltIn::start(BUSY, "{threshold: 1.0, ticks: 1}", small()).unwrap();
    let mut scene = Scene::new();
    let used = |scene: &mut Scene, id: &str, seconds: f64| {
        scene.task(id).counter("task_cpu_usage_seconds", &[("cpu", "0")], seconds);
    };
    used(&mut scene, "t1", 10.0);
    used(&mut scene, "t2", 10.0);
    assert!(policy.tick(&scene).clean().contended.is_empty());
    used(&mut scene, "t1", 12.0);
    used(&mut scene, "t2", 10.5);
    let tick = policy.tick(&scene).clean();
    assert_eq!(tick.contended, ["t1 cpus"]);
    assert_eq!(tick.contentions[0].evidence[0].value.to_bits(), 2.0_f64.to_bits());
    scene.end("t1");
    policy.tick(&scene).clean();
    used(&mut scene, "t1", 20.0);
    used(&mut scene, "t2", 20.5);
    scene.at(2_000.0);
    assert!(policy.tick(&scene).clean().contended.is_empty(), "in so long a time, and for a new task, that is little");
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_as_the_operator_reads_it() {
    let told = |yaml| BuiltIn::start(BUSY, yaml, small()).err().unwrap();
    assert_eq!(told("threshhold: 1.0"), "p.yaml:1:1: P.threshhold: unknown key; known: threshold, ticks");
    assert_eq!(told("threshold: -1.0"), "it reported: threshold -1: a number of cores, 0 or more");
    assert!(told("a: [").starts_with("p.yaml"), "{}", told("a: ["));
}

#[test]
fn values_of_the_machine_reach_a_policy_and_one_that_asks_for_nothing_asks_for_nothing() {
    let mut policy = BuiltIn::start("components/nop-allocator", "", small()).unwrap();
    let mut scene = Scene::new();
    scene.gauge("platform_mem_numa_free_bytes", &[("numa_node", "0")], 5e9);
    scene.counter("platform_vmstat_pgfaults", &[], 5.0);
    scene.task("t1").cpuset_cpus(&[0]).gauge("task_mem_usage_bytes", &[], 1e9);
    let tick = policy.tick(&scene).clean();
    assert!(tick.asked.is_empty() && tick.lines.is_empty());
}
