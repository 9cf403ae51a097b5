//! `wca:policy/report`: what a policy tells the operator. Each call is checked and counted at once.

use wca_model as model;
use wca_model::metric::{is_label_name, is_metric_name};
use wca_model::{Refusal as Why, TaskKey};

use crate::bindings::report::{Contended, Host, Refusal, Sample};
use crate::limits::bytes as in_units;
use crate::state::State;
use crate::text::{printable, shown};

/// Labels of the node and of tasks, which the runtime sets.
const RESERVED: [&str; 1] = ["host"];
/// Metrics that the runtime makes of what policies do: nobody else can say them.
const OWN: [&str; 2] = ["anomaly", "anomaly_count"];
/// What the names of all its other metrics begin with.
const OWN_PREFIX: &str = "wca_";
/// Bytes that each metric and each label costs besides its text.
const OVERHEAD: u64 = 64;

impl Host for State {
    fn contention(
        &mut self,
        about: Contended,
        victim: u64,
        culprits: Vec<u64>,
        evidence: Vec<Sample>,
    ) -> wasmtime::Result<Result<(), Refusal>> {
        let taken = self.take_contention(about.into(), victim, culprits, evidence);
        Ok(self.counted(taken))
    }

    fn metric(&mut self, sample: Sample) -> wasmtime::Result<Result<(), Refusal>> {
        let taken = self.take_metric(sample);
        Ok(self.counted(taken))
    }
}

impl State {
    /// Counts a refusal, keeps the first for the operator, and says it in the contract's words.
    pub(crate) fn counted(&mut self, taken: Result<(), Why>) -> Result<(), Refusal> {
        taken.map_err(|why| {
            self.said.refused += 1;
            let longest = usize::try_from(self.limits.log_line).unwrap_or(usize::MAX);
            self.said.refusal.get_or_insert_with(|| printable(&why.to_string(), longest));
            why.into()
        })
    }

    /// Whether a task is there to be reported or changed.
    pub(crate) fn known(&self, function: &str, key: u64) -> wasmtime::Result<Result<TaskKey, Why>> {
        let snapshot = self.now(function)?;
        let key = TaskKey(key);
        Ok(if snapshot.task(key).is_some() { Ok(key) } else { Err(Why::Gone) })
    }

    fn take_contention(
        &mut self,
        about: model::Contended,
        victim: u64,
        culprits: Vec<u64>,
        evidence: Vec<Sample>,
    ) -> Result<(), Why> {
        if self.said.contentions.len() as u64 >= self.limits.metrics {
            return Err(self.too_many());
        }
        let victim = self.present(victim)?;
        // Each culprit becomes a series.
        self.take(culprits.len() as u64, 0)?;
        let culprits = culprits.into_iter().map(|key| self.present(key)).collect::<Result<Vec<_>, _>>()?;
        let evidence = evidence.into_iter().map(|sample| self.checked(sample)).collect::<Result<Vec<_>, _>>()?;
        self.said.contentions.push(model::Contention { about, victim, culprits, evidence });
        Ok(())
    }

    fn take_metric(&mut self, sample: Sample) -> Result<(), Why> {
        let sample = self.checked(sample)?;
        self.said.metrics.push(sample);
        Ok(())
    }

    fn present(&self, key: u64) -> Result<TaskKey, Why> {
        self.known("report.contention", key).unwrap_or(Err(Why::Gone))
    }

    /// A sample whose name and labels can be stored, within the limits of the call.
    fn checked(&mut self, sample: Sample) -> Result<model::Sample, Why> {
        let sample = model::Sample::from(sample);
        if self.said.series >= self.limits.metrics {
            return Err(self.too_many());
        }
        check_name(&sample.name)?;
        let measured = |snapshot: &std::sync::Arc<model::Snapshot>| snapshot.catalog.metric(&sample.name).is_some();
        if self.given.snapshot.as_ref().is_some_and(measured) {
            return Err(Why::Invalid(format!("`{}` is measured by the node: take another name", shown(&sample.name))));
        }
        let bytes = check_size(&sample, self.limits.label_bytes)?;
        check_labels(&sample)?;
        self.take(1, bytes + OVERHEAD * (1 + sample.labels.len() as u64))?;
        Ok(sample)
    }

    /// Counts what is about to be taken.
    fn take(&mut self, series: u64, bytes: u64) -> Result<(), Why> {
        if self.said.series.saturating_add(series) > self.limits.metrics {
            return Err(self.too_many());
        }
        if self.said.bytes.saturating_add(bytes) > self.limits.report_bytes {
            return Err(Why::TooMany(format!(
                "a call may report {} (--limit report-bytes raises it)",
                in_units(self.limits.report_bytes)
            )));
        }
        self.said.series += series;
        self.said.bytes += bytes;
        Ok(())
    }

    fn too_many(&self) -> Why {
        Why::TooMany(format!(
            "a call may report {} metrics, evidence and culprits included (--limit metrics raises it)",
            self.limits.metrics
        ))
    }
}

fn check_name(name: &str) -> Result<(), Why> {
    if !is_metric_name(name) {
        return Err(Why::Invalid(format!("`{}` is no metric name: it takes [a-zA-Z_:][a-zA-Z0-9_:]*", shown(name))));
    }
    if OWN.contains(&name) || name.starts_with(OWN_PREFIX) {
        return Err(Why::Invalid(format!("`{}` is one of the agent's own metrics: take another name", shown(name))));
    }
    Ok(())
}

/// The bytes of all its texts.
fn check_size(sample: &model::Sample, most: u64) -> Result<u64, Why> {
    let labels: usize = sample.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes = (sample.name.len() + labels + sample.help.len()) as u64;
    if bytes > most {
        return Err(Why::Invalid(format!(
            "name, labels and help of metric `{}` have {bytes} bytes: {most} are taken (--limit label-bytes raises it)",
            shown(&sample.name)
        )));
    }
    Ok(bytes)
}

fn check_labels(sample: &model::Sample) -> Result<(), Why> {
    for (at, (name, _)) in sample.labels.iter().enumerate() {
        let wrong = |why: &str| {
            Err(Why::Invalid(format!("label `{}` of metric `{}`: {why}", shown(name), shown(&sample.name))))
        };
        if !is_label_name(name) {
            return wrong("it takes [a-zA-Z_][a-zA-Z0-9_]*, not starting with __");
        }
        if RESERVED.contains(&name.as_str()) {
            return wrong("the runtime sets it");
        }
        if sample.labels[..at].iter().any(|(before, _)| before == name) {
            return wrong("it stands there twice");
        }
    }
    Ok(())
}
