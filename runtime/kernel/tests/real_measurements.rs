//! Values of a task that does something, on this machine's own cgroups. Where none can be made, each says so aloud.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use common::idle::is_measured_as_if_all_were_read;
use common::{Shell, real_cgroup, skipped, task_path};
use wca_kernel::{Roots, Sampler, TaskCgroups, Wanted};
use wca_model::TaskKey;

/// The values of a metric of the only task, one per series.
fn values(sampler: &mut Sampler, metric: &str) -> Vec<f64> {
    let mut values = Vec::new();
    sampler.sample(&mut values);
    values[sampler.catalog().columns_of(metric)].to_vec()
}

/// Waits until the sum over all series is at least so much: the kernel brings some files up to date every other second.
fn wait_for(sampler: &mut Sampler, metric: &str, least: f64) -> Vec<f64> {
    for _ in 0..100 {
        let found = values(sampler, metric);
        if found.iter().sum::<f64>() >= least {
            return found;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("{metric} stays at {:?}, below {least}", values(sampler, metric));
}

fn sampler_of(name: &str, hierarchies: &wca_kernel::Hierarchies) -> Sampler {
    let mut sampler = Sampler::new(&Roots::system(), hierarchies, Wanted::default());
    sampler.set_tasks(&[TaskCgroups { key: TaskKey(1), cgroup: task_path(name), containers: vec![] }]);
    sampler
}

#[test]
fn memory_that_a_task_takes_is_seen_on_its_nodes() {
    const TAKEN: f64 = 16_777_216.0;
    let (test, name) = ("memory_that_a_task_takes", "takes-memory");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    // The variable is all that stays: what filled it has ended by then.
    let mut shell = Shell::start("taken=$(head -c 16777216 /dev/zero | tr '\\0' x); read line");
    scratch.add_process(shell.id()).unwrap();
    let mut sampler = sampler_of(name, &hierarchies);
    if values(&mut sampler, "task_mem_numa_pages").is_empty() {
        return skipped(test, "the cgroup has no memory controller");
    }
    shell.go();
    wait_for(&mut sampler, "task_mem_usage_bytes", TAKEN);
    let page = rustix::param::page_size() as f64;
    // Whatever file it is taken from here, it is what the kernel says of nodes, once the shell has done what it does.
    let of_nodes =
        || scratch.dirs().iter().find_map(|dir| fs::read_to_string(dir.join("memory.numa_stat")).ok()).unwrap();
    let is_said_of_nodes = |pages: f64| {
        let of_nodes = of_nodes();
        let mut totals =
            of_nodes.lines().filter_map(|line| line.strip_prefix("hierarchical_total=")?.split(' ').next());
        totals.all(|total| (pages - total.parse::<f64>().unwrap()).abs() < 256.0)
    };
    let pages = (0..100).find_map(|_| {
        sleep(Duration::from_millis(50));
        let pages = wait_for(&mut sampler, "task_mem_numa_pages", TAKEN / page).iter().sum::<f64>();
        is_said_of_nodes(pages).then_some(pages)
    });
    let Some(pages) = pages else { panic!("{:?}: {}", values(&mut sampler, "task_mem_numa_pages"), of_nodes()) };
    let working_set = values(&mut sampler, "task_mem_working_set_bytes")[0];
    let usage = wait_for(&mut sampler, "task_mem_max_usage_bytes", TAKEN)[0];
    assert!(pages * page <= usage && working_set >= TAKEN && working_set <= usage, "{pages} {working_set} {usage}");
    assert!(values(&mut sampler, "task_pids").iter().all(|count| *count >= 1.0));
    drop(shell);
    scratch.remove().unwrap();
}

#[test]
fn a_task_that_used_up_its_quota_is_throttled_and_waits() {
    let (test, name) = ("a_task_that_used_up_its_quota", "throttled");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    // 2 ms of each 100 ms.
    let is_limited = scratch.dirs().iter().any(|dir| {
        [("cpu.cfs_quota_us", "2000"), ("cpu.max", "2000 100000")]
            .iter()
            .any(|(file, quota)| dir.join(file).exists() && fs::write(dir.join(file), quota).is_ok())
    });
    if !is_limited {
        return skipped(test, "the cgroup has no CPU controller");
    }
    let mut shell = Shell::start("while :; do :; done");
    scratch.add_process(shell.id()).unwrap();
    let mut sampler = sampler_of(name, &hierarchies);
    shell.go();
    let throttled = wait_for(&mut sampler, "task_cpu_throttled_periods", 5.0)[0];
    let (periods, seconds) =
        (values(&mut sampler, "task_cpu_periods")[0], values(&mut sampler, "task_cpu_throttled_seconds")[0]);
    assert!(periods >= throttled, "{periods} {throttled}");
    // Each time it waits for the rest of a period of a tenth of a second, on the one CPU that it uses.
    assert!(seconds > 0.1 && seconds < periods * 0.1 + 0.2, "{seconds} of {periods} periods");
    if !values(&mut sampler, "task_pressure_seconds").is_empty() {
        wait_for(&mut sampler, "task_pressure_seconds", 0.1);
    }
    drop(shell);
    scratch.remove().unwrap();
}

#[test]
fn a_limit_that_somebody_sets_is_seen_at_the_next_reading() {
    let (test, name) = ("a_limit_that_somebody_sets", "limited");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let files = ["memory.limit_in_bytes", "memory.max"];
    let file = scratch.dirs().iter().flat_map(|dir| files.map(|file| dir.join(file))).find(|file| file.exists());
    let Some(file) = file else { return skipped(test, "the cgroup has no memory controller") };
    let mut sampler = sampler_of(name, &hierarchies);
    let mut limit = || values(&mut sampler, "task_mem_limit_bytes")[0];
    assert!(limit() > 1e18, "no limit");
    for mebibytes in [64, 64, 32, 96] {
        let bytes = f64::from(mebibytes * 1_048_576);
        fs::write(&file, bytes.to_string()).unwrap();
        assert_eq!([limit(), limit()], [bytes; 2]);
    }
    // Longer than it stands unread.
    assert!((0..100).all(|_| limit() == 100_663_296.0));
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    assert!(!open.into_iter().any(|open| open == file), "what stands is closed");
    scratch.remove().unwrap();
    assert!(limit().is_nan());
}

/// Numbers of the disk that holds the file, as cgroups name it; none where no single one does.
fn disk_of(path: &Path) -> Option<String> {
    let device = fs::metadata(path).unwrap().dev();
    let numbers = |device| format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let dir = fs::canonicalize(format!("/sys/dev/block/{}", numbers(device))).ok()?;
    // Rules and counters are of whole disks.
    let disk = if dir.join("partition").exists() { dir.parent()? } else { &dir };
    Some(fs::read_to_string(disk.join("dev")).ok()?.trim().to_owned())
}

/// The value of a metric that is divided by devices, of this one; 0 where it has none yet.
fn of_device(sampler: &mut Sampler, metric: &str, device: &str) -> f64 {
    let values = values(sampler, metric);
    let columns = &sampler.catalog().columns[sampler.catalog().columns_of(metric)];
    let at = columns.iter().position(|column| column.labels.iter().any(|(_, label)| label == device));
    at.map_or(0.0, |at| values[at])
}

#[test]
fn what_a_task_reads_and_writes_is_counted_for_its_disk() {
    const BYTES: f64 = 2_097_152.0;
    let (test, name) = ("what_a_task_reads_and_writes", "reads-and-writes");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk_of(folder.path()) else {
        return skipped(test, &format!("{} is on no block device", folder.path().display()));
    };
    if !scratch.dirs().iter().any(|dir| dir.join("blkio.throttle.io_serviced").exists() || dir.join("io.stat").exists())
    {
        return skipped(test, "the cgroup has no controller of block devices");
    }
    // Without a rule for the device cgroup v1 counts nothing. This one is more than any disk does.
    for file in ["blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"] {
        for path in scratch.dirs().iter().map(|dir| dir.join(file)).filter(|path| path.exists()) {
            fs::write(&path, format!("{disk} 1000000000000")).unwrap();
        }
    }
    let file = folder.path().join("file").display().to_string();
    let mut shell = Shell::start(&format!(
        "exec 2>/dev/null; dd if=/dev/zero of={file} bs=65536 count=32 oflag=direct; \
         dd if={file} of=/dev/null bs=65536 iflag=direct; read line"
    ));
    scratch.add_process(shell.id()).unwrap();
    let mut sampler = sampler_of(name, &hierarchies);
    assert_eq!(of_device(&mut sampler, "task_io_write_bytes", &disk), 0.0);
    shell.go();
    wait_for(&mut sampler, "task_io_write_bytes", BYTES);
    assert_eq!(of_device(&mut sampler, "task_io_write_bytes", &disk), BYTES);
    // The kernel may divide what is asked for at once, and puts nothing together before it counts.
    let writes = of_device(&mut sampler, "task_io_writes", &disk);
    assert!((32.0..=512.0).contains(&writes), "{writes}");
    // The programs may have to be read too.
    wait_for(&mut sampler, "task_io_read_bytes", BYTES);
    let reads = of_device(&mut sampler, "task_io_reads", &disk);
    assert!(of_device(&mut sampler, "task_io_read_bytes", &disk) >= BYTES && reads >= 32.0, "{reads}");
    drop(shell);
    scratch.remove().unwrap();
}

#[test]
fn a_task_that_works_now_and_then_is_measured_as_if_all_its_files_were_read_at_each_tick() {
    let (test, name) = ("a_task_that_works_now_and_then", "now-and-then");
    let Some((hierarchies, scratch)) = real_cgroup(test, name) else { return };
    let folder = tempfile::tempdir().unwrap();
    is_measured_as_if_all_were_read(&hierarchies, &scratch, &task_path(name), &folder.path().join("written"));
}
