//! What a tick costs per task on this machine, beside its floor: reading the same files and throwing them away.
//!
//! Makes 500 cgroups (or as many as the first argument says) and removes them again. Each takes some 30 descriptors, since
//! the floor has its own: the hard limit on open files (ulimit -Hn) must allow for that.
//! `cargo run --release -p wca-kernel --example cost -- 500`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people, which may end at any failure")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};

use rustix::time::{ClockId, clock_gettime};
use wca_kernel::{
    Hierarchies, Limits, Roots, Sampler, Scratch, TaskCgroups, TreeWalker, Version, Wanted, populated,
    raise_descriptor_limit,
};
use wca_model::TaskKey;

const ROUNDS: usize = 50;

/// What a sampler reads of a task.
const FILES: [(Version, &str, &str); 26] = [
    (Version::V1, "cpu", "cpu.stat"),
    (Version::V1, "cpuacct", "cpuacct.usage"),
    (Version::V1, "blkio", "blkio.throttle.io_service_bytes"),
    (Version::V1, "blkio", "blkio.throttle.io_serviced"),
    (Version::V1, "memory", "memory.oom_control"),
    (Version::V1, "memory", "memory.limit_in_bytes"),
    (Version::V1, "memory", "memory.max_usage_in_bytes"),
    (Version::V1, "memory", "memory.numa_stat"),
    (Version::V1, "memory", "memory.stat"),
    (Version::V1, "memory", "memory.soft_limit_in_bytes"),
    (Version::V1, "memory", "memory.usage_in_bytes"),
    (Version::V1, "pids", "pids.current"),
    (Version::V2, "cpu", "cpu.stat"),
    (Version::V2, "io", "io.stat"),
    (Version::V2, "memory", "memory.events"),
    (Version::V2, "memory", "memory.max"),
    (Version::V2, "memory", "memory.peak"),
    (Version::V2, "memory", "memory.numa_stat"),
    (Version::V2, "memory", "memory.stat"),
    (Version::V2, "memory", "memory.low"),
    (Version::V2, "memory", "memory.swap.current"),
    (Version::V2, "memory", "memory.current"),
    (Version::V2, "pids", "pids.current"),
    (Version::V2, ANY, "cpu.pressure"),
    (Version::V2, ANY, "io.pressure"),
    (Version::V2, ANY, "memory.pressure"),
];

/// What every cgroup has.
const ANY: &str = "";

/// What it reads of the machine, besides the files of its NUMA nodes.
const OF_MACHINE: [&str; 7] = [
    "/proc/stat",
    "/proc/meminfo",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/pressure/memory",
    "/proc/vmstat",
    "/proc/zoneinfo",
];

/// CPU time of this thread in seconds: others may be at work on the machine.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Median microseconds of CPU per task of several runs of each, in turns, so that what slows the machine slows both.
fn per_task<const N: usize>(tasks: usize, mut runs: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = cpu_time();
            run();
            times.push((cpu_time() - start) * 1e6 / tasks as f64);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    })
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(500, |count| count.parse().unwrap());
    raise_descriptor_limit().unwrap();
    let roots = Roots::system();
    let hierarchies = Hierarchies::find(&roots).unwrap();
    let above = format!("wca-cost-{}", std::process::id());
    let names: Vec<String> = (0..count).map(|n| format!("{above}/task{n:05}")).collect();
    let made: Vec<Scratch> = names.iter().map(|name| Scratch::create(&hierarchies, name).unwrap()).collect();
    // After the cgroups, so that whatever happens the processes end first and the cgroups can go.
    let mut processes = Processes(Vec::new());
    for scratch in &made {
        let process = Command::new("sleep").arg("1000").spawn().unwrap();
        let id = process.id();
        processes.0.push(process);
        scratch.add_process(id).unwrap();
    }
    let tasks: Vec<TaskCgroups> = names
        .iter()
        .zip(1..)
        .map(|(name, key)| TaskCgroups { key: TaskKey(key), cgroup: format!("/{name}"), containers: vec![] })
        .collect();

    let mut sampler = Sampler::new(&roots, &hierarchies, Wanted::default());
    let start = cpu_time();
    sampler.set_tasks(&tasks);
    println!("set_tasks, all new      {:8.2} us of CPU per task", (cpu_time() - start) * 1e6 / count as f64);
    let mut values = Vec::new();
    for notice in sampler.sample(&mut values) {
        println!("{notice}");
    }

    // The same files, in the same order, with descriptors of their own.
    let mut files = Vec::new();
    for name in &names {
        for (version, controller, file) in FILES {
            // Where v1 has the controller, v2 is not asked.
            let of = |hierarchy: &&wca_kernel::Hierarchy| {
                hierarchy.version == version
                    && (hierarchy.has(controller) || controller == ANY || version == Version::V2 && file == "cpu.stat")
            };
            let is_covered = version == Version::V2
                && controller != ANY
                && hierarchies
                    .with(if file == "cpu.stat" { "cpuacct" } else { controller })
                    .is_some_and(|other| other.version == Version::V1);
            if let Some(hierarchy) = hierarchies.all().iter().find(of).filter(|_| !is_covered)
                && let Ok(open) = File::open(hierarchy.dir.join(name).join(file))
            {
                files.push(open);
            }
        }
    }
    let of_tasks = files.len();
    files.extend(OF_MACHINE.iter().map(|file| File::open(file).unwrap()));
    let node = |node: std::path::PathBuf| ["meminfo", "vmstat"].map(|file| File::open(node.join(file)).ok());
    let nodes = std::fs::read_dir("/sys/devices/system/node").into_iter().flatten().map(|entry| entry.unwrap().path());
    files.extend(nodes.flat_map(node).flatten());
    println!("{} files for {count} tasks, {} of them of the machine", files.len(), files.len() - of_tasks);
    let mut buffer = vec![0; 64 << 10];
    let mut floor = || {
        for file in &files {
            black_box(file.read_at(&mut buffer, 0).unwrap());
        }
    };
    let [floor, sample] = per_task(count, [&mut floor, &mut || drop(black_box(sampler.sample(&mut values)))]);
    println!("floor                   {floor:8.2} us of CPU per task");
    println!("sample                  {sample:8.2} us of CPU per task, {:.2} of the floor", sample / floor);
    let [same] = per_task(count, [&mut || sampler.set_tasks(&tasks)]);
    println!("set_tasks, all known    {same:8.2} us of CPU per task");
    let [walk] = per_task(count, [&mut || drop(black_box(populated(&hierarchies, &Limits::default())))]);
    println!("populated               {walk:8.2} us of CPU per task, over {} hierarchies", hierarchies.all().len());
    let mut walker = TreeWalker::new(&hierarchies, Limits::default());
    let start = cpu_time();
    let found = walker.walk().cgroups.len();
    println!("walker, first walk      {:8.2} us of CPU per task", (cpu_time() - start) * 1e6 / count as f64);
    let [again] = per_task(count, [&mut || _ = black_box(walker.walk())]);
    println!("walker, nothing new     {again:8.2} us of CPU per task, {found} populated");
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            drop(Scratch::create(&hierarchies, &format!("{above}/another")).unwrap());
            let start = cpu_time();
            black_box(walker.walk());
            (cpu_time() - start) * 1e6 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("walker, one came, went  {:8.2} us of CPU per task, in all hierarchies", times[ROUNDS / 2]);
    drop(walker);

    drop(processes);
    for scratch in made {
        scratch.remove().unwrap();
    }
}

/// They end when this is dropped.
struct Processes(Vec<Child>);

impl Drop for Processes {
    fn drop(&mut self) {
        for process in &mut self.0 {
            // One that ended already is as good.
            let _ = process.kill().and_then(|()| process.wait());
        }
    }
}
