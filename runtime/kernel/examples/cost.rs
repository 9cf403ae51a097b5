//! What a tick costs per task on this machine, beside its floor: reading the same files and throwing them away.
//!
//! Makes 1,000 cgroups (or as many as the first argument says) and removes them again.
//! `cargo run --release -p wca-kernel --example cost -- 1000`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people, which may end at any failure")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};
use std::time::Instant;

use wca_kernel::{Hierarchies, Limits, Roots, Sampler, Scratch, TaskCgroups, populated, raise_descriptor_limit};
use wca_model::TaskKey;

const ROUNDS: usize = 50;

/// Median microseconds per task of several runs: others may be at work on the machine.
fn per_task(tasks: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6 / tasks as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
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
    let start = Instant::now();
    sampler.set_tasks(&tasks);
    println!("set_tasks, all new      {:8.2} us per task", start.elapsed().as_secs_f64() * 1e6 / count as f64);
    let mut values = Vec::new();
    for notice in sampler.sample(&mut values) {
        println!("{notice}");
    }

    // The same files, in the same order, with descriptors of their own.
    let mut files = Vec::new();
    for name in &names {
        for hierarchy in hierarchies.all() {
            for file in ["cpuacct.usage", "memory.usage_in_bytes", "memory.current", "cpu.stat"] {
                let covered = file == "cpu.stat" && hierarchies.with("cpuacct").is_some();
                if let Ok(open) = File::open(hierarchy.dir.join(name).join(file)).map_err(drop)
                    && !covered
                    && (file != "cpu.stat" || hierarchy.version == wca_kernel::Version::V2)
                {
                    files.push(open);
                }
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
    let mut sample = || {
        black_box(sampler.sample(&mut values));
    };
    per_task(count, &mut floor);
    let (floor, sample) = (per_task(count, &mut floor), per_task(count, &mut sample));
    println!("floor                   {floor:8.2} us per task");
    println!("sample                  {sample:8.2} us per task, {:.2} of the floor", sample / floor);
    let same = per_task(count, || sampler.set_tasks(&tasks));
    println!("set_tasks, all known    {same:8.2} us per task");
    let walk = per_task(count, || drop(black_box(populated(&hierarchies, &Limits::default()))));
    println!("populated               {walk:8.2} us per task, over {} hierarchies", hierarchies.all().len());

    for mut process in processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    for scratch in made {
        scratch.remove().unwrap();
    }
}
