//! What was measured, as text and as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::bench::observed::{Observed, SPENT};

/// What was measured of ticks.
pub(super) struct Measured {
    tasks: u32,
    interval: Duration,
    /// Milliseconds of processor time of each tick, by part and process.
    spent: HashMap<&'static str, Vec<f64>>,
    /// Milliseconds of processor time of each reading of the floor.
    floor: Vec<f64>,
    overrun: f64,
    /// Files of tasks that were read for each tick.
    read: Vec<f64>,
    /// Files that the floor reads.
    pub(super) files: usize,
    /// Counters of events that the warden has open, which the floor does not read.
    pub(super) counters: usize,
    /// Bytes of memory of warden and agent at the end.
    pub(super) memory: [u64; 2],
    /// Open descriptors of warden and agent at the end.
    pub(super) descriptors: [usize; 2],
}

impl Measured {
    pub(super) fn new(tasks: u32, interval: Duration) -> Self {
        Self {
            tasks,
            interval,
            spent: HashMap::new(),
            floor: Vec::new(),
            overrun: 0.0,
            read: Vec::new(),
            files: 0,
            counters: 0,
            memory: [0; 2],
            descriptors: [0; 2],
        }
    }

    /// Adds what was spent from one tick to the next, and what the floor took beside them.
    pub(super) fn add(&mut self, before: &Observed, after: &Observed, floor: Duration) {
        for (name, ..) in SPENT {
            let spent = after.spent[name].saturating_sub(before.spent[name]);
            self.spent.entry(name).or_default().push(milliseconds(spent));
        }
        self.overrun += after.overrun - before.overrun;
        self.read.push(after.files - before.files);
        self.floor.push(milliseconds(floor));
    }

    fn of(&self, name: &str) -> f64 {
        self.spent.get(name).map_or(f64::NAN, |spent| median(spent))
    }

    fn tick(&self) -> f64 {
        self.of("warden") + self.of("agent")
    }

    fn memory_mebibytes(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^53 bytes")]
        let bytes = self.memory.iter().sum::<u64>() as f64;
        bytes / 1_048_576.0
    }

    /// One object: `tasks`, `tick_cpu_ms`, `floor_cpu_ms`, `ratio`, `rss_mib`, and the parts.
    pub(super) fn json(&self) -> String {
        let mut object = json!({
            "tasks": self.tasks,
            "ticks": self.floor.len(),
            "interval_ms": milliseconds(self.interval),
            "tick_cpu_ms": rounded(self.tick()),
            "floor_cpu_ms": rounded(median(&self.floor)),
            "ratio": rounded(self.tick() / median(&self.floor)),
            "rss_mib": rounded(self.memory_mebibytes()),
            "files": self.files,
            "files_read": median(&self.read),
            "counters": self.counters,
            "descriptors": self.descriptors.iter().sum::<usize>(),
            "ticks_overrun": self.overrun,
        });
        for (name, ..) in SPENT {
            object[format!("{name}_cpu_ms")] = json!(rounded(self.of(name)));
        }
        format!("{object}\n")
    }

    /// A table.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let per_task = |milliseconds: f64| milliseconds * 1_000.0 / f64::from(self.tasks);
        let mut row = |name: &str, milliseconds: f64| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<44}{milliseconds:>9.2} ms{:>9.1} us per task", per_task(milliseconds));
        };
        row("processor time of a tick, both processes", self.tick());
        row("  reading the kernel's files", self.of("reading"));
        row("  crossing from the warden to the agent", self.of("crossing"));
        row("  rendering text", self.of("rendering"));
        row("  storing it", self.of("storing"));
        row("  of it the warden", self.of("warden"));
        row("  of it the agent", self.of("agent"));
        row("floor: all open files read and thrown away", median(&self.floor));
        let load = self.tick() / milliseconds(self.interval) * 100.0;
        let [warden, agent] = self.descriptors;
        let _ = write!(
            text,
            "{:<44}{:>9.2}\n{:<44}{:>9.1} MiB\n{:<44}{:>9} of the warden, {} of the agent\n\
             {:<44}{:>9} for tasks in a tick; the floor reads {}\n{:<44}{:>9}\n{:<44}{load:>9.2} % of one core\n{} ticks of {} tasks each {:?} were measured, {} were left out\n",
            "ratio of the tick to the floor",
            self.tick() / median(&self.floor),
            "memory of both processes (RSS)",
            self.memory_mebibytes(),
            "open descriptors",
            warden,
            agent,
            "files that are read",
            median(&self.read),
            self.files,
            "counters that are read",
            self.counters,
            "load",
            self.floor.len(),
            self.tasks,
            self.interval,
            self.overrun,
        );
        text
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(milliseconds: u64) -> Observed {
        let spent = SPENT.map(|(name, ..)| (name, Duration::from_millis(milliseconds)));
        Observed { tick: 0.0, overrun: 0.0, files: 0.0, spent: spent.into_iter().collect() }
    }

    #[test]
    fn medians_of_what_was_spent_from_tick_to_tick() {
        let mut measured = Measured::new(10, Duration::from_secs(1));
        let ticks = [0, 10, 12, 100];
        for (pair, floor) in ticks.windows(2).zip([4, 8, 9]) {
            measured.add(&observed(pair[0]), &observed(pair[1]), Duration::from_millis(floor));
        }
        measured.memory = [30 << 20, 12 << 20];
        let value: serde_json::Value = serde_json::from_str(&measured.json()).unwrap();
        let found = ["tasks", "ticks", "reading_cpu_ms", "tick_cpu_ms", "floor_cpu_ms", "ratio", "rss_mib"];
        let found = found.map(|key| value[key].as_f64().unwrap());
        assert_eq!(found, [10.0, 3.0, 10.0, 20.0, 8.0, 2.5, 42.0]);
        assert!(
            measured.text().contains("ratio of the tick to the floor                   2.50\n"),
            "{}",
            measured.text()
        );
    }
}
