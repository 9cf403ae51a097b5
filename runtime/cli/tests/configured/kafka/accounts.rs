//! A broker that is stopped, killed and back, while a thousand tasks are measured each second: what came out of the topic, and
//! what was counted of the rest, is what went in.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use rustix::process::Signal;

use super::broker::{Broker, is_missing};
use super::read::messages;
use crate::churn::check_grid;
use crate::setup::{Setup, Started};
use crate::task::{Task, can_make_cgroups, group};
use crate::text::{Line, lines};

const TASKS: usize = 1_000;
const SAMPLES: u64 = 1_000_000;
const TOPIC: &str = "accounts";
/// Ticks at the end in which nothing happens to the broker.
const CALM: usize = 5;

/// What the storage has counted, at one tick.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    stored: u64,
    dropped: u64,
    uncertain: u64,
    waiting: u64,
}

/// What went in: how often each line, and of each tick, by its time, what was counted by then.
#[derive(Default)]
struct Before {
    lines: HashMap<u64, u32>,
    ticks: Vec<(i64, u64, Counted)>,
    /// Lines that say when ticks were.
    of_grid: Vec<Line>,
}

fn digest(line: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    hasher.finish()
}

/// The time at the end of a sample.
fn time(line: &str) -> i64 {
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

impl Before {
    fn read(setup: &Setup) -> Self {
        let mut before = Self::default();
        for line in BufReader::new(File::open(setup.path("metrics.prom")).unwrap()).lines() {
            let line = line.unwrap();
            if !is_sample(&line) {
                continue;
            }
            let time = time(&line);
            if before.ticks.last().is_none_or(|(last, ..)| *last != time) {
                before.ticks.push((time, 0, Counted::default()));
            }
            let (_, samples, counted) = before.ticks.last_mut().unwrap();
            *samples += 1;
            *before.lines.entry(digest(&line)).or_default() += 1;
            if ["wca_up", "wca_ticks_overrun", "wca_duration_seconds{"].iter().any(|name| line.starts_with(name)) {
                before.of_grid.extend(lines(&format!("{line}\n")));
            }
            if line.starts_with("wca_storage_") && line.contains(&format!("storage=\"KafkaStorage({TOPIC})\"")) {
                let sample = lines(&format!("{line}\n")).pop().unwrap();
                match sample.name.as_str() {
                    "wca_storage_stored_samples" => counted.stored = sample.value as u64,
                    "wca_storage_dropped_samples" => counted.dropped = sample.value as u64,
                    "wca_storage_uncertain_samples" => counted.uncertain = sample.value as u64,
                    "wca_storage_queue_depth" => counted.waiting = sample.value as u64,
                    _ => {}
                }
            }
        }
        before
    }

    /// The last tick at which all before it were settled: its time, how many samples went in before it, and what was counted of
    /// them by then. A batch that is just being delivered waits no more, and is not counted yet; such a tick is passed over.
    fn settled(&self) -> (i64, u64, Counted) {
        let mut sent = self.ticks.iter().map(|(_, samples, _)| samples).sum::<u64>();
        for (time, samples, counted) in self.ticks.iter().rev().take(CALM) {
            sent -= samples;
            if counted.waiting == 0 && sent == counted.stored + counted.dropped + counted.uncertain {
                return (*time, sent, *counted);
            }
        }
        panic!(
            "of the last {CALM} ticks none is settled: {:?}",
            self.ticks.iter().rev().take(CALM).collect::<Vec<_>>()
        );
    }
}

/// Waits until there were so many ticks.
fn ticks(started: &mut Started<'_>, wanted: u64) {
    // Each wait has its patience.
    for some in (1..=wanted).step_by(20).chain([wanted]) {
        started.until_ticks("ticks.prom", some as usize);
    }
}

fn is_sample(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

#[test]
#[ignore = "it takes minutes: .ci/full runs it"]
fn samples_that_go_in_come_out_once_or_are_counted() {
    if !can_make_cgroups() {
        return;
    }
    let broker = match Broker::start("accounts") {
        Ok(broker) => broker,
        Err(why) => return is_missing(&why),
    };
    let group = group("accounts");
    let names: Vec<String> = (0..TASKS).map(|number| format!("{group}/task{number}")).collect();
    let _tasks: Vec<Task> = names.iter().map(|name| Task::empty(name)).collect();
    let setup = Setup::with(&format!(
        "runner: !MeasurementRunner\n  node: !StaticNode {{tasks: [{}]}}\n  action_delay: 1\n  metrics_storage: !FilterStorage\n    \
         storages:\n    - !LogStorage {{output_filename: FOLDER/metrics.prom, on_failure: block}}\n    - !FilterStorage {{filter: \
         [wca_up], storages: [!LogStorage {{output_filename: FOLDER/ticks.prom}}]}}\n    - !KafkaStorage {{topic: {TOPIC}, \
         brokers_ips: ['{}'], queue_batches: 4, retry_timeout_in_seconds: 3}}\n",
        names.join(", "),
        broker.address("plaintext")
    ));
    let mut started = setup.start(&[]);
    ticks(&mut started, 10);
    let each = setup.read("metrics.prom").lines().filter(|line| is_sample(line)).count() as u64 / 10;
    broker.signal(Signal::STOP);
    ticks(&mut started, 25);
    broker.signal(Signal::CONT);
    ticks(&mut started, 35);
    broker.signal(Signal::KILL);
    ticks(&mut started, 45);
    broker.up().unwrap();
    let back = count(&setup);
    ticks(&mut started, back + 8);
    // For so short a time that what is under way may yet be answered.
    broker.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(300));
    broker.signal(Signal::CONT);
    let now = count(&setup);
    ticks(&mut started, (now + CALM as u64 + 1).max(SAMPLES / each + 3));
    let finished = started.stop();
    finished.ends_with(0).says("KafkaStorage(accounts): not stored: FailedDelivery: ").says(": stored again");
    check(&setup, &broker);
}

/// Ticks so far.
fn count(setup: &Setup) -> u64 {
    setup.read("ticks.prom").lines().filter(|line| line.starts_with("wca_up{")).count() as u64
}

fn check(setup: &Setup, broker: &Broker) {
    let before = Before::read(setup);
    let (on_time, overrun) = check_grid(&before.of_grid, 1.0);
    let (last, sent, counted) = before.settled();
    let (mut came_out, mut after_all) = (0, 0);
    let mut out: HashMap<u64, u32> = HashMap::new();
    for message in messages(broker.address("plaintext"), TOPIC) {
        for line in message.lines().filter(|line| is_sample(line)) {
            *out.entry(digest(line)).or_default() += 1;
            came_out += u64::from(time(line) < last);
            after_all += 1;
        }
    }
    println!(
        "{on_time} ticks on time, {overrun} overrun; {sent} samples before the last settled tick: {counted:?}; {came_out} came out, \
         {after_all} to the end"
    );
    assert!(sent >= SAMPLES, "{sent}");
    for (line, times) in &out {
        assert_eq!(*times, 1, "one came out twice");
        assert!(before.lines.contains_key(line), "one came out that never went in");
    }
    assert_eq!(sent, counted.stored + counted.dropped + counted.uncertain, "{counted:?}");
    assert!(counted.dropped > 0 && counted.uncertain > 0, "{counted:?}");
    assert!(came_out >= counted.stored && came_out <= counted.stored + counted.uncertain, "{came_out}: {counted:?}");
}
