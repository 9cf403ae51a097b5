//! `wca:policy/report`: what a policy tells the operator. Each call is checked and counted at once.

use wca_model as model;
use wca_model::metric::{is_label_name, is_metric_name};
use wca_model::{Refusal as Why, TaskKey};

use crate::bindings::report::{Contended, Host, Refusal, Sample};
use crate::state::State;

/// Labels of the node and of tasks, which the runtime sets.
const RESERVED: [&str; 1] = ["host"];

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
    /// Counts a refusal, and says it in the contract's words.
    pub(crate) fn counted(&mut self, taken: Result<(), Why>) -> Result<(), Refusal> {
        taken.map_err(|why| {
            self.said.refused += 1;
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
            return Err(Why::TooMany);
        }
        let victim = self.present(victim)?;
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
        if self.said.samples >= self.limits.metrics {
            return Err(Why::TooMany);
        }
        if !is_metric_name(&sample.name) {
            return Err(Why::Invalid(format!(
                "`{}` is no metric name: it takes [a-zA-Z_:][a-zA-Z0-9_:]*",
                sample.name.escape_debug()
            )));
        }
        let measured = |snapshot: &std::sync::Arc<model::Snapshot>| snapshot.catalog.metric(&sample.name).is_some();
        if self.given.snapshot.as_ref().is_some_and(measured) {
            return Err(Why::Invalid(format!("`{}` is measured by the node: take another name", sample.name)));
        }
        check_labels(&sample, self.limits.label_bytes)?;
        self.said.samples += 1;
        Ok(sample)
    }
}

fn check_labels(sample: &model::Sample, most_bytes: u64) -> Result<(), Why> {
    for (at, (name, _)) in sample.labels.iter().enumerate() {
        let wrong = |why: &str| {
            Err(Why::Invalid(format!("label `{}` of metric `{}`: {why}", name.escape_debug(), sample.name)))
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
    let bytes: usize = sample.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes = (bytes + sample.help.len()) as u64;
    if bytes > most_bytes {
        return Err(Why::Invalid(format!(
            "labels and help of metric `{}` have {bytes} bytes, at most {most_bytes} are taken (limit label-bytes)",
            sample.name
        )));
    }
    Ok(())
}
