//! `!NUMAAllocator`: the vectors of the Python agent, and cases of our own.

#[path = "numa_allocator/choice.rs"]
mod choice;
#[path = "numa_allocator/configured.rs"]
mod configured;
#[path = "numa_allocator/memory.rs"]
mod memory;
#[path = "numa_allocator/outcomes.rs"]
mod outcomes;

use wca_model::Platform;

use crate::harness::{BuiltIn, Scene, Tick, machine};

const GB: f64 = 1e9;
/// Pages of a GB, each of 4096 bytes.
const PAGES: f64 = GB / 4096.0;

fn allocator(yaml: &str, platform: Platform) -> BuiltIn {
    BuiltIn::start("components/numa-allocator", yaml, platform).unwrap()
}

/// Two nodes of 96 GB with two processors each.
fn two() -> Platform {
    machine(&[(0, &[0, 1], 96_000_000_000), (1, &[2, 3], 96_000_000_000)])
}

/// Four such nodes.
fn four() -> Platform {
    let cpus = [[0, 1], [2, 3], [4, 5], [6, 7]];
    let nodes: Vec<(u32, &[u32], u64)> = (0..).zip(&cpus).map(|(id, cpus)| (id, &cpus[..], 96_000_000_000)).collect();
    machine(&nodes)
}

/// Free memory of nodes in GB; the rest of the 96 GB is used.
fn free(scene: &mut Scene, nodes: &[(u32, f64)]) {
    for (node, free) in nodes {
        let label = node.to_string();
        scene.gauge("platform_mem_numa_free_bytes", &[("numa_node", &label)], free * GB);
        scene.gauge("platform_mem_numa_used_bytes", &[("numa_node", &label)], (96.0 - free) * GB);
    }
}

/// A task that may run on these processors, with so many GB on nodes; it may have that many in all.
fn task(scene: &mut Scene, id: &str, cpus: &[u32], on: &[(u32, f64)]) {
    let limit: f64 = on.iter().map(|(_, gb)| gb).sum();
    scene.task(id).cpuset_cpus(cpus).resource("mem", limit * GB);
    for (node, gb) in on {
        pages(scene, id, *node, gb * PAGES);
    }
}

fn pages(scene: &mut Scene, id: &str, node: u32, count: f64) {
    scene.task(id).gauge("task_mem_numa_pages", &[("numa_node", &node.to_string())], count);
}

/// What was asked for without what stands there already.
fn changes(tick: &Tick, scene: &Scene) -> Vec<String> {
    let mut scene = scene.clone();
    let stands = |scene: &mut Scene, line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let now = &scene.task(words[0]).in_force;
        let list = |ids: &Option<Vec<u32>>| {
            ids.as_ref().is_some_and(|ids| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",") == words[2])
        };
        match words[1] {
            "cpuset_cpus" => list(&now.cpuset_cpus),
            "cpuset_mems" => list(&now.cpuset_mems),
            _ => false,
        }
    };
    tick.asked.iter().filter(|line| !stands(&mut scene, line)).cloned().collect()
}

/// The node of a task, by the metric.
fn node(tick: &Tick, id: &str) -> Option<f64> {
    tick.metric("numa__task_current_node", &[("task_id", id), ("task_name", id)])
}
