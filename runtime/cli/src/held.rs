//! Values that WCA holds, in words and as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wca_messages::{HeldValue, JournalEntry};

/// What is held of each task, for people; `now` is in seconds since 1970.
pub(crate) fn text(entries: &[JournalEntry], now: f64) -> String {
    let mut text = String::new();
    let mut task = None;
    for entry in in_order(entries) {
        if task != Some(&entry.cgroup) {
            text.push_str(&format!("{}\n", entry.cgroup));
            task = Some(&entry.cgroup);
        }
        text.push_str(&value(&entry.held, now));
    }
    text
}

/// Task by task, and kind by kind in each.
fn in_order(entries: &[JournalEntry]) -> Vec<&JournalEntry> {
    let mut sorted: Vec<&JournalEntry> = entries.iter().collect();
    let place =
        |entry: &&JournalEntry| (entry.cgroup.clone(), entry.held.kind, entry.held.domain, entry.held.file.clone());
    sorted.sort_by_key(place);
    sorted
}

fn value(held: &HeldValue, now: f64) -> String {
    let HeldValue { policy, asked, file, before, written, .. } = held;
    let kind = held.kind.as_str();
    let in_force = match &held.now {
        Some(in_force) if in_force == written => String::new(),
        Some(in_force) => format!(", of which the kernel made {in_force}"),
        None => ", which was not read back".into(),
    };
    let age = age(now - held.since);
    let trial = if held.on_trial { ", on trial" } else { "" };
    let end = if held.goes_back { ", goes back after `wca thaw`" } else { "" };
    format!(
        "  {kind} {asked}, asked for by {policy}, written {age} ago{trial}{end}\n    {file}: {before} before, {written} written{in_force}\n"
    )
}

fn age(seconds: f64) -> String {
    match seconds.max(0.0) {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.0} h", seconds / 3_600.0),
    }
}

/// The same for programs: a list of objects.
pub(crate) fn json(entries: &[JournalEntry]) -> String {
    let all = in_order(entries).into_iter().map(|JournalEntry { cgroup, held }| {
        json!({
            "cgroup": cgroup,
            "kind": held.kind.as_str(),
            "domain": held.domain,
            "policy": held.policy,
            "asked": held.asked,
            "file": held.file,
            "before": held.before,
            "written": held.written,
            "now": held.now,
            "since": held.since,
            "on_trial": held.on_trial,
            "goes_back": held.goes_back,
        })
    });
    format!("{:#}\n", Value::Array(all.collect()))
}

/// In seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use wca_model::Kind;

    use super::*;

    fn entry(cgroup: &str, kind: Kind, now: Option<&str>, since: f64) -> JournalEntry {
        let held = HeldValue {
            policy: "Changer".into(),
            kind,
            domain: None,
            file: format!("/sys/fs/cgroup{cgroup}/{}", kind.as_str()),
            asked: "2".into(),
            before: "100".into(),
            written: "79".into(),
            now: now.map(str::to_owned),
            since,
            on_trial: kind == Kind::CpuQuota,
            goes_back: kind == Kind::MemoryMax,
        };
        JournalEntry { cgroup: cgroup.into(), held }
    }

    fn entries() -> Vec<JournalEntry> {
        vec![
            entry("/b", Kind::CpuShares, Some("79"), 995.0),
            entry("/a", Kind::MemoryMax, None, 700.0),
            entry("/a", Kind::CpuQuota, Some("80"), -99_000.0),
        ]
    }

    #[test]
    fn values_are_told_with_both_numbers_and_what_the_kernel_made_of_them() {
        let expected = "\
/a
  cpu_quota 2, asked for by Changer, written 28 h ago, on trial
    /sys/fs/cgroup/a/cpu_quota: 100 before, 79 written, of which the kernel made 80
  memory_max 2, asked for by Changer, written 5 min ago, goes back after `wca thaw`
    /sys/fs/cgroup/a/memory_max: 100 before, 79 written, which was not read back
/b
  cpu_shares 2, asked for by Changer, written 5 s ago
    /sys/fs/cgroup/b/cpu_shares: 100 before, 79 written
";
        assert_eq!(text(&entries(), 1_000.0), expected);
        assert_eq!(text(&[], 0.0), "");
    }

    #[test]
    fn programs_get_the_same() {
        let all: Value = serde_json::from_str(&json(&entries())).unwrap();
        let expected = json!({
            "cgroup": "/a", "kind": "memory_max", "domain": null, "policy": "Changer", "asked": "2",
            "file": "/sys/fs/cgroup/a/memory_max", "before": "100", "written": "79", "now": null, "since": 700.0,
            "on_trial": false, "goes_back": true,
        });
        assert_eq!(all[1], expected);
        assert_eq!(json(&[]), "[]\n");
    }
}
