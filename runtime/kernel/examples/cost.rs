//! What a tick costs per task on this machine, beside its floor: reading the same files and throwing them away.
//!
//! Makes 1,000 cgroups (or as many as the first argument says) and removes them again.
//! `cargo run --release -p wca-kernel --example cost -- 1000`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people, which may end at any failure")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};

use rustix::time::{ClockId, clock_gettime};
use wca_kernel::{
    Hierarchies, Limits, Roots, Sampler, Scratch, TaskCgroups, TreeWalker, Version, populated, raise_descriptor_limit,
};
use wca_model::TaskKey;

const ROUNDS: usize = 50;

/// What a sampler reads of a task.
const FILES: [(Version, &str, &str); 12] = [
    (Version::V1, "cpuacct", "cpuacct.usage"),
    (Version::V1, "memory", "memory.limit_in_bytes"),
    (Version::V1, "memory", "memory.max_usage_in_bytes"),
    (Version::V1, "memory", "memory.stat"),
    (Version::V1, "memory", "memory.soft_limit_in_bytes"),
    (Version::V1, "memory", "memory.usage_in_bytes"),
    (Version::V2, "cpu", "cpu.stat"),
    (Version::V2, "memory", "memory.max"),
    (Version::V2, "memory", "memory.peak"),
    (Version::V2, "memory", "memory.stat"),
    (Version::V2, "memory", "memory.low"),
    (Version::V2, "memory", "memory.current"),
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
    let count: usize = std::env::args().nth(1).map_or(1_000, |count| count.parse().unwrap());
    raise_descriptor_limit().unwrap();
    let roots = Roots::system();
    let hierarchies = Hierarchies::find(&roots).unwrap();
    let above = format!("wca-cost-{}", std::process::id());
    let names: Vec<String> = (0..count).map(|n| format!("{above}/task{n:05}")).collect();
    let made: Vec<Scratch> = names.iter().map(|name| Scratch::create(&hierarchies, name).unwrap()).collect();
    let mut processes: Vec<Child> = Vec::new();
    for scratch in &made {
        let process = Command::new("sleep").arg("1000").spawn().unwrap();
        scratch.add_process(process.id()).unwrap();
        processes.push(process);
    }
    let tasks: Vec<TaskCgroups> = names
        .iter()
        .zip(1..)
        .map(|(name, key)| TaskCgroups { key: TaskKey(key), cgroup: format!("/{name}"), containers: vec![] })
        .collect();

    let mut sampler = Sampler::new(&roots, &hierarchies);
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
                hierarchy.version == version && (hierarchy.has(controller) || file == "cpu.stat")
            };
            let is_covered = version == Version::V2
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
    for file in ["/proc/stat", "/proc/meminfo"] {
        files.push(File::open(file).unwrap());
    }
    println!("{} files for {count} tasks, {} of them of the machine", files.len(), 2);
    let mut buffer = vec![0; 16 << 10];
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

    for mut process in processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    for scratch in made {
        scratch.remove().unwrap();
    }
}
