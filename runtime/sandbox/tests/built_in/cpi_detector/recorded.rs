//! The scenes that `testbed/scenes` has run and kept: what was measured then, replayed, gives what was found then, and the table of
//! docs/policies/cpi-detector.md. `WCA_SCENES` names a folder of scenes that were run anew, of which the table may differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wca_model::Platform;

use crate::harness::{BuiltIn, Scene};

/// Victim, culprit and resource, with how often they were named.
type Named = BTreeMap<(String, String, String), u64>;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The records of a file of docs/snapshots.md.
fn records(path: &Path) -> Vec<Value> {
    let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap_or_else(|error| panic!("gzip: {error}"));
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

/// Calls the detector with each snapshot.
fn replay(path: &Path, settings: &str) -> Named {
    let mut policy = BuiltIn::start("components/cpi-detector", settings, Platform::default()).unwrap();
    let records = records(path);
    let metrics: Vec<(&str, bool)> = records[0]["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "name"), text(one, "kind") == "counter"))
        .collect();
    let (mut scene, mut ids) = (Scene::new(), Vec::new());
    let mut named = Named::new();
    for record in &records[1..] {
        if let Some(tasks) = record["tasks"].as_array() {
            ids.iter().for_each(|id: &String| scene.end(id));
            ids = tasks.iter().map(|task| text(task, "id").to_owned()).collect();
            for task in tasks {
                for (label, value) in task["labels"].as_object().unwrap() {
                    scene.task(text(task, "id")).label(label, value.as_str().unwrap());
                }
            }
        }
        for (metric, counts) in &metrics {
            for (id, value) in ids.iter().zip(record["values"][*metric].as_array().unwrap()) {
                let value = value.as_f64().unwrap_or(f64::NAN);
                let task = scene.task(id);
                if *counts {
                    task.counter(metric, &[], value)
                } else {
                    task.gauge(metric, &[], value)
                };
            }
        }
        scene.at(record["timestamp"].as_f64().unwrap());
        let tick = policy.tick(&scene).clean();
        for contention in &tick.contentions {
            for culprit in &contention.culprits {
                let (victim, culprit) = (tick.id(contention.victim).to_owned(), tick.id(*culprit).to_owned());
                *named.entry((victim, culprit, contention.about.as_str().to_owned())).or_default() += 1;
            }
        }
    }
    named
}

/// What was named while the scene ran.
fn found_then(scene: &Value) -> Named {
    let rows = scene["named"].as_array().unwrap().iter().map(|row| {
        let word = |at: usize| row[at].as_str().unwrap().to_owned();
        ((word(0), word(1), word(2)), row[3].as_u64().unwrap())
    });
    rows.collect()
}

/// Pairs of victim and culprit: right, wrong, and right ones that were not named; and reports with the right culprit, of which
/// how many have the right resource.
#[derive(Default)]
struct Judged {
    right: usize,
    wrong: usize,
    missed: usize,
    reports: u64,
    of_resource: u64,
}

impl Judged {
    fn of(scene: &Value, named: &Named) -> Self {
        let guilty = scene["antagonist"].as_str();
        let hurt: Vec<&str> = scene["hurt"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let mut pairs: Vec<(&str, &str)> =
            named.keys().map(|(victim, culprit, _)| (victim.as_str(), culprit.as_str())).collect();
        pairs.dedup();
        let is_right = |pair: &(&str, &str)| Some(pair.1) == guilty && hurt.contains(&pair.0);
        let right = pairs.iter().filter(|pair| is_right(pair)).count();
        let count = |filter: &dyn Fn(&str) -> bool| {
            let of = named.iter().filter(|((victim, culprit, about), _)| is_right(&(victim, culprit)) && filter(about));
            of.map(|(_, count)| count).sum()
        };
        Self {
            right,
            wrong: pairs.len() - right,
            missed: hurt.len() - right,
            reports: count(&|_| true),
            of_resource: count(&|about| Some(about) == scene["resource"].as_str()),
        }
    }

    fn add(&mut self, other: &Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missed += other.missed;
        self.reports += other.reports;
        self.of_resource += other.of_resource;
    }

    fn precision(&self) -> f64 {
        self.right as f64 / (self.right + self.wrong) as f64
    }

    fn recall(&self) -> f64 {
        self.right as f64 / (self.right + self.missed) as f64
    }

    fn row(&self) -> String {
        let Self { right, wrong, missed, reports, of_resource } = self;
        format!("{right} | {wrong} | {missed} | {of_resource} of {reports}")
    }
}

#[test]
fn scenes_of_the_test_bed_give_what_they_gave_then_and_the_table_of_the_docs() {
    let scenes = project().join("testbed/scenes");
    let settings = fs::read_to_string(scenes.join("detector.yaml")).unwrap();
    let anew = std::env::var_os("WCA_SCENES").map(PathBuf::from);
    let folder = anew.clone().unwrap_or_else(|| scenes.join("recorded"));
    let list = folder.join("scenes.jsonl");
    let scenes = fs::read_to_string(&list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    let mut table = String::from(
        "| seed | scene | slowed down by | right | wrong | missed | resource right, of reports |\n|---|---|---|---|---|---|---|\n",
    );
    let mut different = Vec::new();
    // The paper's window alone, and the first of those that look alike.
    let plain: Vec<&str> = settings.lines().filter(|line| !line.starts_with("memory:")).collect();
    let plain = format!("{}\nmemory: 2.5\ncorrelation_margin: 0\n", plain.join("\n"));
    let (mut tens, mut plain_tens) = (<[Judged; 2]>::default(), <[Judged; 2]>::default());
    for line in scenes.lines() {
        let scene: Value = serde_json::from_str(line).unwrap();
        let seed = scene["seed"].as_u64().unwrap();
        let path = folder.join(format!("scene-{seed:02}.jsonl.gz"));
        let named = replay(&path, &settings);
        if named != found_then(&scene) {
            different.push((seed, named.clone(), found_then(&scene)));
        }
        let judged = Judged::of(&scene, &named);
        let (kind, factor) = match scene["resource"].as_str() {
            Some(resource) => (format!("antagonist, {resource}"), scene["severity"].to_string()),
            None => (text(&scene, "kind").to_owned(), String::new()),
        };
        writeln!(table, "| {seed} | {kind} | {factor} | {} |", judged.row()).unwrap();
        tens[usize::from(seed > 10)].add(&judged);
        plain_tens[usize::from(seed > 10)].add(&Judged::of(&scene, &replay(&path, &plain)));
    }
    let names = ["1 to 10", "11 to 20", "1 to 10, without memory and margin", "11 to 20, without memory and margin"];
    for (name, ten) in names.iter().zip(tens.iter().chain(&plain_tens)) {
        let (precision, recall) = (ten.precision(), ten.recall());
        writeln!(table, "| {name} | precision {precision:.2}, recall {recall:.2} | | {} |", ten.row()).unwrap();
    }
    println!("{table}");
    assert!(different.is_empty(), "seed, what is found now, and what was found while it ran: {different:#?}");
    assert!(tens[1].precision() >= 0.9 && tens[1].recall() >= 0.8, "{table}");
    if anew.is_some() {
        return;
    }
    let page = fs::read_to_string(project().join("docs/policies/cpi-detector.md")).unwrap();
    assert!(page.contains(&table), "docs/policies/cpi-detector.md has another table than this:\n{table}");
}
