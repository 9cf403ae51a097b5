//! The programs that run inside the test bed: a service, and what looks at it and at the hog beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How much longer the service needs for a request than alone, written by [`observe`].
const SLOWDOWN: &str = "/run/slowdown";
const RESCTRL: &str = "/sys/fs/resctrl";
/// Cgroups of the two, as tasks are named.
pub(crate) const SERVICE: &str = "wca/service";
pub(crate) const HOG: &str = "wca/hog";

/// Workers of the service, all on one processor, so that one waits for another when requests take longer.
const WORKERS: u64 = 4;
/// From one request of a worker to the next.
const PERIOD: Duration = Duration::from_millis(20);
/// Processor time of a request when nobody else uses cache and memory.
const REQUEST: Duration = Duration::from_micros(1500);

/// Bytes per second that a task of the test bed moves when nothing limits it, and bytes that it then has in the cache.
const BANDWIDTH: f64 = 4e9;
const CACHE: f64 = 16.0 * 1_048_576.0;
/// What these cost the service, as part of a request's time alone.
const BY_BANDWIDTH: f64 = 1.2;
const BY_CACHE: f64 = 0.8;

/// How late a request may be before its client has given up.
const PATIENCE: Duration = Duration::from_millis(100);

/// The service: requests come evenly with a jitter, and wait where the one before is not done yet.
pub(crate) fn serve() {
    let workers: Vec<_> = (0..WORKERS).map(|worker| std::thread::spawn(move || work(worker))).collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

fn work(worker: u64) {
    let mut random = worker + 1;
    let begun = Instant::now();
    for request in 0_u32.. {
        // xorshift64 (Marsaglia, 2003).
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let jitter = PERIOD.mul_f64((random % 1000) as f64 / 1000.0);
        let due = PERIOD * request + jitter;
        sleep(due.saturating_sub(begun.elapsed()));
        if begun.elapsed() > due + PATIENCE {
            continue;
        }
        let text = fs::read_to_string(SLOWDOWN).unwrap_or_default();
        let end = processor_time() + REQUEST.mul_f64(text.trim().parse().unwrap_or(1.0));
        while processor_time() < end {}
    }
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// What the machine counts of the hog.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Bytes so far, of the group that it is in.
    moved: f64,
    /// Bytes in the cache.
    held: f64,
}

/// An emulated machine has no caches, so that nothing slows the service by itself. This does: the more bytes the hog moves and the
/// more cache it holds, as the machine counts them, the longer a request takes. A line for every `tick` says what was seen meanwhile:
/// seconds, the share of time that the service waited, the hog's bytes per second and bytes in the cache, its ways and its MB.
///
/// It ends when the file `/run/done` is there.
pub(crate) fn observe(hog: u32, tick: Duration, mut say: impl FnMut(&str)) {
    const STEP: Duration = Duration::from_millis(50);
    let begun = Instant::now();
    let (mut group, mut before, mut rate) = (PathBuf::new(), Seen::default(), 0.0);
    let (mut last, mut next, mut sum, mut count) = (begun, tick, 0.0, 0.0);
    let mut waited = (Instant::now(), waited_by_service());
    while !PathBuf::from("/run/done").exists() {
        sleep(STEP);
        let (now_in, seen) = look(hog);
        let span = last.elapsed().as_secs_f64();
        last = Instant::now();
        // Another group counts from its own beginning; the rate stays as it was for that moment.
        if now_in == group && seen.moved >= before.moved {
            rate = (seen.moved - before.moved) / span;
        }
        (group, before) = (now_in, seen);
        let slowdown = 1.0 + BY_BANDWIDTH * rate / BANDWIDTH + BY_CACHE * seen.held / CACHE;
        fs::write("/run/slowdown.new", slowdown.to_string()).unwrap();
        fs::rename("/run/slowdown.new", SLOWDOWN).unwrap();
        (sum, count) = (sum + rate, count + 1.0);
        if begun.elapsed() >= next {
            let now = (Instant::now(), waited_by_service());
            let share = (now.1 - waited.1) / (now.0 - waited.0).as_secs_f64();
            let (ways, mb) = limits(hog);
            let mut line = String::from("ROW");
            for value in [next.as_secs_f64(), share, sum / count, seen.held, ways, mb] {
                write!(line, " {value}").unwrap();
            }
            say(&line);
            (waited, sum, count, next) = (now, 0.0, 0.0, next + tick);
        }
    }
}

/// Seconds in which some worker waited for the processor.
fn waited_by_service() -> f64 {
    let text = fs::read_to_string(format!("/sys/fs/cgroup/{SERVICE}/cpu.pressure")).unwrap();
    let total = text.lines().next().unwrap().split("total=").nth(1).unwrap();
    total.parse::<f64>().unwrap() / 1e6
}

/// The control group and the monitoring group of a process.
fn groups(process: u32) -> (String, String) {
    let text = fs::read_to_string(format!("/proc/{process}/cpu_resctrl_groups")).unwrap();
    let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    (of("res:"), of("mon:"))
}

/// Where the hog is counted, and what.
fn look(hog: u32) -> (PathBuf, Seen) {
    let (control, monitoring) = groups(hog);
    let mut folder = PathBuf::from(RESCTRL).join(control.trim_matches('/'));
    if !monitoring.trim_matches('/').is_empty() {
        folder = folder.join("mon_groups").join(monitoring.trim_matches('/'));
    }
    // It runs on the first socket.
    let read = |file: &str| fs::read_to_string(folder.join("mon_data/mon_L3_00").join(file)).ok()?.trim().parse().ok();
    let seen = Seen { moved: read("mbm_total_bytes").unwrap_or(0.0), held: read("llc_occupancy").unwrap_or(0.0) };
    (folder, seen)
}

/// L3 ways and MB of the hog's group on the first socket.
fn limits(hog: u32) -> (f64, f64) {
    let schemata = PathBuf::from(RESCTRL).join(groups(hog).0.trim_matches('/')).join("schemata");
    let text = fs::read_to_string(schemata).unwrap_or_default();
    let of = |kind: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(kind)).unwrap_or("0=0");
        line.split(';').next().unwrap().split('=').nth(1).unwrap().trim().to_owned()
    };
    let ways = u64::from_str_radix(&of("L3:"), 16).unwrap().count_ones();
    (f64::from(ways), of("MB:").parse().unwrap())
}
