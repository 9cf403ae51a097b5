//! What happens to descriptors. One test in a process of its own, since they are counted and limited per process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;

use common::Machine;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wca_kernel::{Notice, Sampler, TaskCgroups, Wanted, raise_descriptor_limit};
use wca_model::TaskKey;

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn limit(files: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).unwrap();
}

#[test]
fn descriptors_are_given_back_and_may_run_out() {
    let raised = raise_descriptor_limit().unwrap();
    assert_eq!(Some(raised), getrlimit(Resource::Nofile).maximum.or(Some(u64::MAX)));
    let machine = Machine::captured("v1-and-v2");
    let tasks: Vec<TaskCgroups> = (0..100u32)
        .map(|n| {
            let cgroup = format!("/t{n}");
            machine.write(&format!("/sys/fs/cgroup/memory{cgroup}/memory.usage_in_bytes"), &format!("{n}\n"));
            TaskCgroups { key: TaskKey(n.into()), cgroup, containers: vec![] }
        })
        .collect();
    let values_of = |sampler: &mut Sampler| {
        let mut values = Vec::new();
        let notices = sampler.sample(&mut values);
        let column = sampler.catalog().columns_of("task_mem_usage_bytes").start;
        (values[column * 100..(column + 1) * 100].to_vec(), notices)
    };
    let all: Vec<f64> = (0..100u32).map(f64::from).collect();

    let before = open_descriptors();
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), Wanted::default());
    let idle = open_descriptors();
    for _ in 0..50 {
        sampler.set_tasks(&tasks);
        assert_eq!(values_of(&mut sampler), (all.clone(), vec![]));
        assert_eq!(open_descriptors(), idle + 100);
        sampler.set_tasks(&tasks[..10]);
        assert_eq!(open_descriptors(), idle + 10);
        sampler.set_tasks(&[]);
        assert_eq!(open_descriptors(), idle);
    }

    // The process runs out although the sampler's own budget has room: some are closed, all are still read.
    limit(open_descriptors() as u64 + 60);
    sampler.set_tasks(&tasks);
    let told = values_of(&mut sampler).1;
    assert!(matches!(told[..], [Notice::DescriptorsShort { .. }]), "{told:?}");
    assert_eq!(values_of(&mut sampler), (all.clone(), vec![]));
    assert!(fs::File::open("/proc/self/stat").is_ok(), "the rest of the process can open files too");
    assert_eq!(values_of(&mut sampler), (all.clone(), vec![]));
    sampler.set_tasks(&tasks);
    assert_eq!(values_of(&mut sampler), (all.clone(), vec![]), "said once");

    raise_descriptor_limit().unwrap();
    sampler.set_tasks(&tasks);
    assert_eq!(values_of(&mut sampler).0, all);
    assert_eq!(open_descriptors(), idle + 100, "open again");
    drop(sampler);
    assert_eq!(open_descriptors(), before);
}
