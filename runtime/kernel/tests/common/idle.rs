//! A task that works now and then.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use wca_kernel::{Hierarchies, Roots, Sampler, Scratch, TaskCgroups, Wanted};
use wca_model::TaskKey;

/// What the task does, a step for each line that it reads: it takes memory, gives it back, forks, writes a file. Each is several
/// times as much for each CPU as the kernel may keep back of it.
const STEPS: &str = r#"
step() {
  case $1 in
    take) taken=$(head -c $((CPUS * 4000000)) /dev/zero | tr '\0' x) ;;
    give) taken= ;;
    fork) for i in $(seq $((CPUS * 8))); do /bin/true; done ;;
    write) dd if=/dev/zero of="$FILE" bs=65536 count=$((CPUS * 32)) conv=fsync 2> /dev/null ;;
  esac
}
while read -r line; do step "$line"; echo done; done
"#;
const TICK: Duration = Duration::from_millis(250);
/// Ticks after which a task that does nothing is at rest.
const RESTS: u32 = 24;

struct Worker(Child);

impl Worker {
    fn start(file: &std::path::Path) -> Self {
        let mut shell = Command::new("sh");
        shell.env("FILE", file).env("CPUS", cpus().to_string());
        Self(shell.args(["-c", STEPS]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn does(&mut self, step: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{step}").unwrap();
        let mut told = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
        assert_eq!(told, "done\n", "{step}");
        // It waits for the next line.
        sleep(Duration::from_millis(50));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn sampler(hierarchies: &Hierarchies, cgroup: &str, idle_task_interval: Duration) -> Sampler {
    let wanted = Wanted { rdt_enabled: Some(false), idle_task_interval, ..Wanted::default() };
    let mut sampler = Sampler::new(&Roots::system(), hierarchies, wanted);
    sampler.set_tasks(&[TaskCgroups { key: TaskKey(1), cgroup: cgroup.to_owned(), containers: vec![] }]);
    sampler
}

/// What comes from files of cgroups, by series.
fn values(sampler: &mut Sampler) -> Vec<(String, f64)> {
    const OF_CGROUPS: [&str; 4] = ["task_cpu_", "task_io_", "task_mem_", "task_pressure_"];
    let mut values = Vec::new();
    sampler.sample(&mut values);
    let catalog = sampler.catalog();
    let mut found = Vec::new();
    for metric in &catalog.metrics {
        if OF_CGROUPS.iter().any(|beginning| metric.name.starts_with(beginning)) {
            let columns = catalog.columns_of(&metric.name);
            found.extend(columns.map(|at| (format!("{}{:?}", metric.name, catalog.columns[at].labels), values[at])));
        }
    }
    found
}

/// Updates that the kernel may keep to itself before it adds them up for memory.stat, in pages or faults
/// (MEMCG_CHARGE_BATCH of mm/memcontrol.c for each CPU).
fn kept_back() -> f64 {
    64.0 * cpus() as f64
}

fn cpus() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// The series of which the one says something else than the other.
fn differing<'a>(one: &'a [(String, f64)], other: &'a [(String, f64)]) -> Vec<(&'a str, f64, f64)> {
    let page = rustix::param::page_size() as f64;
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other).map(|((name, one), (_, other))| (name.as_str(), *one, *other));
    pairs
        .filter(|(name, one, other)| {
            let most = match *name {
                name if name.starts_with("task_mem_page_faults") => kept_back(),
                name if name.starts_with("task_mem_working_set") || name.starts_with("task_mem_swap") => {
                    kept_back() * page
                }
                _ => 0.0,
            };
            let is_same = one.is_nan() && other.is_nan() || (one - other).abs() <= most;
            !is_same
        })
        .collect()
}

/// Has a process in this cgroup work now and then, and compares what is measured of it with what reading every file at every
/// tick gives. The file is one that it may write.
pub fn is_measured_as_if_all_were_read(
    hierarchies: &Hierarchies,
    scratch: &Scratch,
    cgroup: &str,
    file: &std::path::Path,
) {
    let mut worker = Worker::start(file);
    scratch.add_process(worker.0.id()).unwrap();
    let mut resting = sampler(hierarchies, cgroup, Duration::from_secs(1_000_000_000));
    let mut reading = sampler(hierarchies, cgroup, Duration::ZERO);
    for step in ["take", "give", "fork", "write"] {
        worker.does(step);
        for number in 0..=RESTS {
            let begun = Instant::now();
            let before = [&resting, &reading].map(Sampler::files_read);
            let mut found = [&mut resting, &mut reading].map(values);
            let read = [resting.files_read() - before[0], reading.files_read() - before[1]];
            // Others may have done something to the task between the two.
            for _ in 0..5 {
                if differing(&found[0], &found[1]).is_empty() {
                    break;
                }
                sleep(Duration::from_millis(20));
                found = [&mut resting, &mut reading].map(values);
            }
            assert_eq!(differing(&found[0], &found[1]), [], "{step}, tick {number}");
            assert!(number < RESTS || read[0] < read[1], "{step}: it is at rest, and not read: {read:?}");
            sleep(TICK.saturating_sub(begun.elapsed()));
        }
    }
}
