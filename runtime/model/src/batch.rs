//! A batch: the metrics of one tick on their way to a storage.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::anomaly::set;
use crate::catalog::Catalog;
use crate::choice::{Choice, Chosen};
use crate::exposition::{self, TextFamily};
use crate::lane::Lane;
use crate::metric::{Label, MetricInfo, MetricKind, Sample};
use crate::snapshot::Snapshot;
use crate::task::Roster;

/// Bytes of a value as text with what stands around it, as most are.
const VALUE: usize = 24;

/// Bytes of a sample as text, header included, as most are.
const SAMPLE: usize = 256;

/// Labels that tell tasks apart.
const TELLING: [&str; 2] = ["task_id", "task_name"];

/// The label sets of all series of one roster and catalogue, each once, with their text: made once per change of either,
/// never per tick.
#[derive(Debug, PartialEq)]
pub struct LabelSets {
    /// Changes when anything else here does.
    pub version: u64,
    /// The label sets, their labels sorted by name.
    pub sets: Vec<Vec<Label>>,
    texts: Vec<String>,
    order: Vec<MetricOrder>,
    metrics: Vec<MetricInfo>,
    /// The values of all [`Standing`] ones.
    standing: Vec<f64>,
    /// Bytes that the text of all series takes, or some more.
    length: usize,
}

/// A metric of tasks whose values stand as long as the roster does, and are in no snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What it is.
    pub metric: MetricInfo,
    /// Values, each with the row of its task.
    pub values: Vec<(usize, f64)>,
}

/// The series of one metric in the order in which they are written.
#[derive(Debug, PartialEq)]
struct MetricOrder {
    metric: usize,
    origin: Origin,
    series: Vec<SeriesPlace>,
}

/// Where the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Origin {
    /// Columns of the snapshot.
    Tasks,
    /// Values of the machine in the snapshot.
    Machine,
    /// [`LabelSets::standing`].
    Standing,
}

/// One series: where its value is, and its label set.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SeriesPlace {
    column: usize,
    row: usize,
    set: usize,
}

impl LabelSets {
    /// The label sets of all series; `common` labels are on every one and win over labels of tasks of the same name, but not
    /// over those that tell series apart: levels of metrics, `task_id` and `task_name`. The catalogue may have other names for
    /// its metrics than the snapshot's: those are written.
    #[must_use]
    pub fn new(version: u64, roster: &Roster, catalog: &Catalog, common: &[Label], standing: &[Standing]) -> Self {
        let mut interned = Interned::default();
        let task_labels: Vec<Vec<Label>> = roster
            .tasks
            .iter()
            .map(|task| {
                // By these two every series of a task is its own, whatever labels somebody has given it.
                let mut labels = task.labels.clone();
                for (name, value) in TELLING.into_iter().zip([&task.id, &task.name]) {
                    set(&mut labels, name, value);
                }
                labels
            })
            .collect();
        let mut metrics = catalog.metrics.clone();
        let mut by_metric: Vec<Vec<SeriesPlace>> = metrics.iter().map(|_| Vec::new()).collect();
        for (column, series) in catalog.columns.iter().enumerate() {
            for (row, labels) in task_labels.iter().enumerate() {
                let set = interned.place_of(&series.labels, labels, common);
                by_metric[series.metric as usize].push(SeriesPlace { column, row, set });
            }
        }
        for (column, series) in catalog.platform.iter().enumerate() {
            let set = interned.place_of(&series.labels, &[], common);
            by_metric[series.metric as usize].push(SeriesPlace { column, row: 0, set });
        }
        let mut values = Vec::new();
        for Standing { metric, values: of_tasks } in standing {
            metrics.push(metric.clone());
            let place = |(at, (row, _)): (usize, &(usize, f64))| {
                let set = interned.place_of(&[], &task_labels[*row], common);
                SeriesPlace { column: values.len() + at, row: *row, set }
            };
            by_metric.push(of_tasks.iter().enumerate().map(place).collect());
            values.extend(of_tasks.iter().map(|(_, value)| *value));
        }
        let sets = interned.sets;
        let mut order: Vec<MetricOrder> = by_metric
            .into_iter()
            .enumerate()
            .map(|(metric, mut series)| {
                series.sort_by(|a, b| compare_labels(&sets[a.set], &sets[b.set]));
                let origin = match catalog.metrics.get(metric) {
                    None => Origin::Standing,
                    Some(info) if info.per_task => Origin::Tasks,
                    Some(_) => Origin::Machine,
                };
                MetricOrder { metric, origin, series }
            })
            .collect();
        order.sort_by(|a, b| metrics[a.metric].name.cmp(&metrics[b.metric].name));
        let texts: Vec<String> = sets.iter().map(|set| exposition::label_text(set)).collect();
        let length = order.iter().map(|order| length(&metrics[order.metric], &order.series, &texts)).sum();
        Self { version, sets, texts, order, metrics, standing: values, length }
    }

    /// What of it is chosen.
    #[must_use]
    pub fn chosen(&self, choice: &impl Choice) -> Chosen {
        let metrics = self.order.iter().map(|order| choice.takes_name(&self.metrics[order.metric].name));
        Chosen { metrics: metrics.collect(), sets: self.sets.iter().map(|set| choice.takes_labels(set)).collect() }
    }

    /// Of no series: for batches of nothing but samples besides the snapshot.
    #[must_use]
    pub fn none() -> Self {
        Self::new(0, &Roster::default(), &Catalog::default(), &[], &[])
    }
}

/// Bytes that a metric takes as text, or some more.
fn length(metric: &MetricInfo, series: &[SeriesPlace], texts: &[String]) -> usize {
    let header = 2 * metric.name.len() + metric.help.len() + 32;
    header + series.iter().map(|place| metric.name.len() + texts[place.set].len() + VALUE).sum::<usize>()
}

#[derive(Default)]
struct Interned {
    sets: Vec<Vec<Label>>,
    places: HashMap<Vec<Label>, usize>,
}

impl Interned {
    fn place_of(&mut self, own: &[Label], task: &[Label], common: &[Label]) -> usize {
        let mut labels = task.to_vec();
        let telling = task.iter().filter(|(name, _)| TELLING.contains(&name.as_str()));
        for (name, value) in common.iter().chain(telling).chain(own) {
            set(&mut labels, name, value);
        }
        labels.sort();
        *self.places.entry(labels).or_insert_with_key(|labels| {
            self.sets.push(labels.clone());
            self.sets.len() - 1
        })
    }
}

/// Order of series within a metric: by their sorted labels, values of digits alone compared as numbers.
fn compare_labels(a: &[Label], b: &[Label]) -> Ordering {
    for ((name_a, value_a), (name_b, value_b)) in a.iter().zip(b) {
        let order = name_a.cmp(name_b).then_with(|| match (value_a.parse::<u64>(), value_b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b).then_with(|| value_a.cmp(value_b)),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => value_a.cmp(value_b),
        });
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Order of samples: by name, then as series within a metric; their labels are sorted.
#[must_use]
pub fn compare_samples(a: &Sample, b: &Sample) -> Ordering {
    a.name.cmp(&b.name).then_with(|| compare_labels(&a.labels, &b.labels))
}

/// One metric of a batch, as columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name of the metric.
    pub name: String,
    /// How its values behave.
    pub kind: MetricKind,
    /// One sentence; may be empty.
    pub help: String,
    /// Index into the batch's label sets, one per value.
    pub series: Vec<u32>,
    /// The values.
    pub values: Vec<f64>,
}

/// The metrics of one tick: a snapshot, and samples besides it. Absent values (NaN) of the snapshot are left out; a NaN
/// that somebody reported is kept.
#[derive(Clone)]
pub struct Batch {
    snapshot: Arc<Snapshot>,
    labels: Arc<LabelSets>,
    extra: Arc<Vec<Sample>>,
    extra_from: usize,
    /// What is left in; none: all.
    chosen: Option<Arc<Chosen>>,
    lane: Lane,
}

/// The label that says on which machine something was measured.
const HOST: &str = "host";

impl Batch {
    /// A batch of the snapshot's metrics and `extra` ones, whose labels are sorted here and which take the `common` labels, but
    /// for those that they have themselves: by these their series may differ. From which host they come is not theirs to say.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, labels: Arc<LabelSets>, extra: Vec<Sample>, common: &[Label]) -> Self {
        let mut extra = extra;
        let says_host = common.iter().any(|(name, _)| name == HOST);
        for sample in &mut extra {
            sample.labels.retain(|(name, _)| name != HOST || !says_host);
            let own = sample.labels.len();
            for label in common {
                if sample.labels[..own].iter().all(|(name, _)| *name != label.0) {
                    sample.labels.push(label.clone());
                }
            }
            sample.labels.sort();
        }
        extra.sort_by(compare_samples);
        extra.dedup_by(|later, first| {
            let same = later.name == first.name && later.labels == first.labels;
            if same {
                first.value = later.value;
            }
            same
        });
        let extra_from = labels.sets.len();
        Self { snapshot, labels, extra: Arc::new(extra), extra_from, chosen: None, lane: Lane::default() }
    }

    /// The same on this lane.
    #[must_use]
    pub fn on(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    /// The lane on which it comes to a storage.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// What is chosen of it; `chosen` is what [`LabelSets::chosen`] says of its label sets. Chosen once already, it is chosen
    /// anew.
    #[must_use]
    pub fn choose(&self, chosen: &Arc<Chosen>, choice: &impl Choice) -> Self {
        let is_taken = |sample: &&Sample| choice.takes_name(&sample.name) && choice.takes_labels(&sample.labels);
        let extra = self.extra.iter().filter(is_taken).cloned().collect();
        Self { extra: Arc::new(extra), chosen: Some(Arc::clone(chosen)), ..self.clone() }
    }

    /// The label sets of its series.
    #[must_use]
    pub fn labels(&self) -> &Arc<LabelSets> {
        &self.labels
    }

    /// The snapshot that it holds.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Number of samples.
    #[must_use]
    pub fn size(&self) -> usize {
        let mut size = self.extra.len();
        self.measured(|_, present| size += present.len());
        size
    }

    /// All of it as Prometheus text, without timestamps.
    #[must_use]
    pub fn exposition(&self) -> String {
        self.exposition_at(None)
    }

    /// All of it as Prometheus text, each sample with this timestamp in milliseconds since 1970.
    #[must_use]
    pub fn exposition_at(&self, timestamp: Option<i64>) -> String {
        let mut text = String::with_capacity(self.labels.length + self.extra.len() * SAMPLE);
        let mut extra = self.extra.chunk_by(|a, b| a.name == b.name).peekable();
        self.measured(|metric, present| {
            while let Some(samples) = extra.next_if(|samples| samples[0].name.as_str() < metric.name.as_str()) {
                exposition::write_samples(&mut text, samples, timestamp);
            }
            if present.is_empty() {
                return;
            }
            exposition::write_header(&mut text, &metric.name, metric.kind, &metric.help);
            for (place, value) in present {
                let labels = &self.labels.texts[place.set];
                exposition::write_sample(&mut text, &metric.name, labels, *value, timestamp);
            }
        });
        for samples in extra {
            exposition::write_samples(&mut text, samples, timestamp);
        }
        text
    }

    /// The label sets: those of the snapshot's series, then one for each extra sample.
    #[must_use]
    pub fn label_sets(&self) -> Vec<Vec<Label>> {
        self.labels.sets.iter().cloned().chain(self.extra.iter().map(|sample| sample.labels.clone())).collect()
    }

    /// Changes when [`Batch::label_sets`] would answer differently, whatever the tick and the lane: a digest of what it depends on.
    #[must_use]
    pub fn label_sets_version(&self) -> u64 {
        let mut digest = DefaultHasher::new();
        self.labels.version.hash(&mut digest);
        self.extra.len().hash(&mut digest);
        self.extra.iter().for_each(|sample| sample.labels.hash(&mut digest));
        digest.finish()
    }

    /// All of it as columns.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut families = Vec::new();
        self.measured(|metric, present| {
            families.push(Family {
                name: metric.name.clone(),
                kind: metric.kind,
                help: metric.help.clone(),
                series: present.iter().map(|(place, _)| index(place.set)).collect(),
                values: present.iter().map(|(_, value)| *value).collect(),
            });
        });
        let mut at = self.extra_from;
        for samples in self.extra.chunk_by(|a, b| a.name == b.name) {
            families.push(Family {
                name: samples[0].name.clone(),
                kind: samples[0].kind,
                help: samples[0].help.clone(),
                series: (at..at + samples.len()).map(index).collect(),
                values: samples.iter().map(|sample| sample.value).collect(),
            });
            at += samples.len();
        }
        families.retain(|family| !family.values.is_empty());
        families.sort_by(|a, b| a.name.cmp(&b.name));
        families
    }

    /// All of it as text without a form yet: the families stand by their names, and two of one name where a metric of the
    /// snapshot and samples besides it share one.
    #[must_use]
    pub fn text_families(&self) -> Vec<TextFamily<'_>> {
        let mut families = Vec::new();
        self.measured(|metric, present| {
            let sample = |(place, value): &(SeriesPlace, f64)| (Cow::Borrowed(&*self.labels.texts[place.set]), *value);
            families.push(TextFamily {
                name: &metric.name,
                kind: metric.kind,
                help: &metric.help,
                samples: present.iter().map(sample).collect(),
            });
        });
        for samples in self.extra.chunk_by(|a, b| a.name == b.name) {
            let sample = |sample: &Sample| (Cow::Owned(exposition::label_text(&sample.labels)), sample.value);
            families.push(TextFamily {
                name: &samples[0].name,
                kind: samples[0].kind,
                help: &samples[0].help,
                samples: samples.iter().map(sample).collect(),
            });
        }
        families.retain(|family| !family.samples.is_empty());
        families.sort_by(|a, b| a.name.cmp(b.name));
        families
    }

    /// All of it as records.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        self.measured(|metric, present| {
            samples.extend(present.iter().map(|(place, value)| Sample {
                name: metric.name.clone(),
                labels: self.labels.sets[place.set].clone(),
                value: *value,
                kind: metric.kind,
                help: metric.help.clone(),
            }));
        });
        samples.extend(self.extra.iter().cloned());
        samples.sort_by(|a, b| a.name.cmp(&b.name));
        samples
    }

    /// Calls `visit` with each metric of the snapshot in order of names, and its values that are not absent.
    fn measured<'a>(&'a self, mut visit: impl FnMut(&'a MetricInfo, &[(SeriesPlace, f64)])) {
        let mut present = Vec::new();
        for (at, MetricOrder { metric, origin, series }) in self.labels.order.iter().enumerate() {
            let info = &self.labels.metrics[*metric];
            if self.chosen.as_ref().is_some_and(|chosen| !chosen.metrics[at]) {
                continue;
            }
            present.clear();
            let is_chosen = |place: &&SeriesPlace| self.chosen.as_ref().is_none_or(|chosen| chosen.sets[place.set]);
            present.extend(series.iter().filter(is_chosen).map(|place| (*place, self.value_at(*origin, *place))));
            present.retain(|(_, value)| !value.is_nan());
            visit(info, &present);
        }
    }

    fn value_at(&self, origin: Origin, place: SeriesPlace) -> f64 {
        match origin {
            Origin::Tasks => self.snapshot.column(place.column)[place.row],
            Origin::Machine => self.snapshot.platform_value(place.column),
            Origin::Standing => self.labels.standing[place.column],
        }
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;
    use crate::testing::snapshot_after;

    fn batch(extra: Vec<Sample>) -> Batch {
        let snapshot = Arc::new(snapshot_after(None, 100.0, &[10, 2], &[5.5, f64::NAN]));
        let common = vec![("host".into(), "vm".into())];
        let labels = Arc::new(LabelSets::new(3, &snapshot.roster, &snapshot.catalog, &common, &[]));
        Batch::new(snapshot, labels, extra, &common)
    }

    fn sample(name: &str, labels: &[(&str, &str)], value: f64) -> Sample {
        Sample {
            name: name.into(),
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            value,
            kind: MetricKind::Gauge,
            help: String::new(),
        }
    }

    #[test]
    fn metrics_are_written_by_name_and_absent_values_left_out() {
        let text = batch(vec![
            sample("zeal", &[], f64::NAN),
            sample("rate", &[("task_id", "9"), ("a", "x\"\n")], 0.5),
            sample("rate", &[("task_id", "9"), ("a", "x\"\n")], 0.75),
        ])
        .exposition();
        assert_eq!(
            text,
            "# HELP platform_mem_usage_bytes Help of platform_mem_usage_bytes.\n\
             # TYPE platform_mem_usage_bytes gauge\n\
             platform_mem_usage_bytes{host=\"vm\"} 4096\n\
             \n\
             # TYPE rate gauge\n\
             rate{a=\"x\\\"\\n\",host=\"vm\",task_id=\"9\"} 0.75\n\
             \n\
             # HELP task_cpu_usage_seconds Help of task_cpu_usage_seconds.\n\
             # TYPE task_cpu_usage_seconds counter\n\
             task_cpu_usage_seconds{app=\"db\",host=\"vm\",task_id=\"task10\",task_name=\"name10\"} 5.5\n\
             \n\
             # TYPE zeal gauge\n\
             zeal{host=\"vm\"} NaN\n"
        );
    }

    /// By names, and by a label where there is one.
    struct By {
        names: BTreeSet<String>,
        label: Option<(&'static str, &'static str)>,
    }

    impl Choice for By {
        fn takes_name(&self, name: &str) -> bool {
            self.names.contains(name)
        }

        fn takes_labels(&self, labels: &[Label]) -> bool {
            let has = |(name, value): (&str, &str)| labels.contains(&(name.to_owned(), value.to_owned()));
            self.label.is_none_or(has)
        }
    }

    #[test]
    fn names_can_be_chosen_and_samples_carry_a_timestamp() {
        let all = batch(vec![sample("zeal", &[], 1.0), sample("alpha", &[], 2.0)]);
        let choose = |batch: &Batch, names: &[&str], label| {
            let by = By { names: names.iter().map(|name| (*name).to_owned()).collect(), label };
            batch.choose(&Arc::new(batch.labels().chosen(&by)), &by)
        };
        let some = choose(&all, &["zeal", "platform_mem_usage_bytes", "unknown"], None);
        assert_eq!(some.size(), 2);
        assert_eq!(
            some.exposition_at(Some(1_560_541_957_165)),
            "# HELP platform_mem_usage_bytes Help of platform_mem_usage_bytes.\n\
             # TYPE platform_mem_usage_bytes gauge\n\
             platform_mem_usage_bytes{host=\"vm\"} 4096 1560541957165\n\
             \n\
             # TYPE zeal gauge\n\
             zeal{host=\"vm\"} 1 1560541957165\n"
        );
        assert_eq!(choose(&all, &[], None).exposition(), "");
        let of_task = choose(&all, &["zeal", "task_cpu_usage_seconds"], Some(("task_id", "task10")));
        assert_eq!((of_task.size(), of_task.samples()[0].value), (1, 5.5));
        let of_other = choose(&all, &["zeal", "task_cpu_usage_seconds"], Some(("task_id", "task2")));
        assert_eq!((of_other.size(), of_other.families().len(), of_other.text_families().len()), (0, 0, 0));
    }

    #[test]
    fn columns_and_records_agree_with_the_text() {
        let batch = batch(vec![sample("rate", &[("task_id", "9")], 0.5)]);
        let sets = batch.label_sets();
        assert_eq!(batch.size(), 3);
        for family in batch.families() {
            for (set, value) in family.series.iter().zip(&family.values) {
                let same =
                    |one: &Sample| one.name == family.name && one.labels == sets[*set as usize] && one.value == *value;
                assert!(batch.samples().iter().any(same), "{family:?}");
            }
        }
    }

    #[test]
    fn the_version_of_label_sets_is_another_one_whenever_they_are() {
        let snapshot = batch(vec![]).snapshot;
        let of_samples = |extra| Batch::new(Arc::clone(&snapshot), Arc::new(LabelSets::none()), extra, &[]);
        let of_roster = |version| {
            let labels = LabelSets::new(version, &snapshot.roster, &snapshot.catalog, &[], &[]);
            Batch::new(Arc::clone(&snapshot), Arc::new(labels), vec![sample("x", &[("a", "1")], 1.0)], &[])
        };
        let a = |value: &str| sample("x", &[("a", value)], 1.0);
        // All of one tick, as the streams of a runner and the filters before a storage bring them.
        let different = [
            of_samples(vec![]),
            of_samples(vec![a("1")]),
            of_samples(vec![a("2")]),
            of_samples(vec![a("1"), a("2")]),
            of_samples(vec![sample("x", &[("a", "1"), ("b", "2")], 1.0)]),
            of_samples(vec![sample("x", &[], 1.0)]),
            batch(vec![]),
            batch(vec![a("1")]),
            of_roster(4),
            of_roster(5),
        ];
        let versions: BTreeSet<u64> = different.iter().map(Batch::label_sets_version).collect();
        assert_eq!(versions.len(), different.len());
        let (one, other) = (of_samples(vec![a("1")]), of_samples(vec![sample("y", &[("a", "1")], 2.0)]));
        assert_eq!(one.label_sets_version(), other.label_sets_version(), "their label sets are the same");
    }

    #[test]
    fn v104_metrics_by_name_and_their_series_by_labels() {
        let foo = |a: &str| sample("foo", &[("a", a)], 1.0);
        let samples = vec![foo("3"), sample("bar2", &[], 1.0), foo("20"), sample("bar", &[], 1.0), foo("1")];
        let text = batch(samples).exposition();
        let names = ["bar", "bar2", "foo"];
        let found = text.lines().filter(|line| names.iter().any(|name| line.split(['{', ' ']).next() == Some(*name)));
        let expected = ["bar{host", "bar2{host", "foo{a=\"1\"", "foo{a=\"3\"", "foo{a=\"20\""];
        let found: Vec<&str> = found.collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{found:?}");
    }

    #[test]
    fn what_tells_series_apart_wins_over_labels_of_tasks() {
        let mut task = (*crate::testing::roster(&[1]).tasks[0]).clone();
        task.labels = [("task_id", "mine"), ("cpu", "all"), ("app", "db")].map(|(a, b)| (a.into(), b.into())).into();
        let roster = Roster { version: 1, tasks: vec![Arc::new(task)] };
        let mut catalog = crate::testing::catalog();
        catalog.columns[0].labels = vec![("cpu".into(), "7".into())];
        let sets = LabelSets::new(1, &roster, &catalog, &[], &[]);
        let expected = [("app", "db"), ("cpu", "7"), ("task_id", "task1"), ("task_name", "name1")];
        assert_eq!(sets.sets[0], expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// Readers of the format refuse series that are equal.
    #[test]
    fn what_tells_series_apart_wins_over_common_labels() {
        let mut catalog = crate::testing::catalog();
        let zone = |zone: &str| vec![("zone".to_owned(), zone.to_owned())];
        catalog.platform[0].labels = zone("DMA");
        let mut other = catalog.platform[0].clone();
        other.labels = zone("Normal");
        catalog.platform.push(other);
        let common: Vec<Label> =
            [("zone", "eu"), ("task_id", "mine"), ("app", "all")].map(|(a, b)| (a.into(), b.into())).into();
        let sets = LabelSets::new(1, &crate::testing::roster(&[1, 2]), &catalog, &common, &[]).sets;
        let distinct: BTreeSet<&Vec<Label>> = sets.iter().collect();
        assert_eq!(distinct.len(), sets.len());
        let values = |name: &str| {
            let all = sets.iter().flatten().filter(|(label, _)| label == name);
            all.map(|(_, value)| value.as_str()).collect::<BTreeSet<_>>()
        };
        assert_eq!(values("app"), BTreeSet::from(["all"]), "it wins over labels of tasks");
        assert!(values("zone").is_superset(&BTreeSet::from(["DMA", "Normal"])), "{sets:?}");
        assert!(values("task_id").is_superset(&BTreeSet::from(["task1", "task2"])), "{sets:?}");
    }

    #[rstest]
    #[case::task("task_id")]
    #[case::of_a_policy("zone")]
    fn labels_of_samples_win_over_common_ones_so_that_no_two_series_become_one(#[case] label: &str) {
        let snapshot = Arc::new(snapshot_after(None, 100.0, &[1], &[1.0]));
        let common = vec![(label.to_owned(), "mine".to_owned()), ("rack".to_owned(), "7".to_owned())];
        let extra = [("9", 1.0), ("8", 2.0)].map(|(own, value)| sample("rate", &[(label, own)], value)).into();
        let text = Batch::new(snapshot, Arc::new(LabelSets::none()), extra, &common).exposition();
        let expected = ["8", "9"].map(|own| {
            let mut labels = [format!("{label}=\"{own}\""), "rack=\"7\"".to_owned()];
            labels.sort();
            format!("rate{{{}}} ", labels.join(","))
        });
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with("rate")).collect();
        assert_eq!(found.len(), 2, "{text}");
        assert!(found.iter().zip(expected).all(|(line, start)| line.starts_with(&start)), "{text}");
    }

    #[test]
    fn what_stands_as_long_as_the_roster_is_written_among_the_others_with_the_labels_of_its_tasks() {
        let snapshot = Arc::new(snapshot_after(None, 100.0, &[10, 2], &[5.5, f64::NAN]));
        let common = vec![("app".into(), "all".into())];
        let metric = crate::testing::info("task_a", MetricKind::Gauge, true);
        let standing = [Standing { metric, values: vec![(1, 1.5), (0, 2.0)] }];
        let labels = Arc::new(LabelSets::new(1, &snapshot.roster, &snapshot.catalog, &common, &standing));
        let batch = Batch::new(snapshot, labels, vec![sample("task_b", &[], 3.0)], &common);
        let text = batch.exposition();
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with("task_")).collect();
        assert_eq!(
            found,
            [
                "task_a{app=\"all\",task_id=\"task10\",task_name=\"name10\"} 2",
                "task_a{app=\"all\",task_id=\"task2\",task_name=\"name2\"} 1.5",
                "task_b{app=\"all\"} 3",
                "task_cpu_usage_seconds{app=\"all\",task_id=\"task10\",task_name=\"name10\"} 5.5",
            ]
        );
        assert_eq!((batch.size(), batch.samples().len()), (5, 5));
    }

    #[test]
    fn digits_are_compared_as_numbers_and_before_words() {
        let labels = |value: &str| vec![("cpu".to_owned(), value.to_owned())];
        assert_eq!(compare_labels(&labels("9"), &labels("10")), Ordering::Less);
        assert_eq!(compare_labels(&labels("10"), &labels("all")), Ordering::Less);
        assert_eq!(compare_labels(&labels("b"), &labels("a")), Ordering::Greater);
    }
}
