//! What is printed for a run without storages: anomalies and metrics as Prometheus text, requests as comments of it.

use std::io::Write;

use wca_model::batch::compare_samples;
use wca_model::{Outcome, Sample, Snapshot, exposition};

use crate::policies::Decision;

/// Prints what the policies of a tick said.
pub(crate) fn print_tick(snapshot: &Snapshot, decisions: &[(Decision, Vec<Outcome>)], samples: Vec<Sample>) {
    let mut text = String::new();
    for (decision, outcomes) in decisions {
        for (request, outcome) in decision.requests.iter().zip(outcomes) {
            let task = snapshot.task(request.task).map_or("gone", |task| task.id.as_str());
            text.push_str(&format!(
                "# request of {}: {} {} for {}: {}\n",
                decision.policy,
                request.change.kind().as_str(),
                request.change,
                task.escape_debug(),
                outcome.fate
            ));
        }
    }
    text.push_str(&as_text(samples));
    write_out(&text);
}

/// Samples as Prometheus text, by name.
pub(crate) fn as_text(mut samples: Vec<Sample>) -> String {
    for sample in &mut samples {
        sample.labels.sort();
    }
    samples.sort_by(compare_samples);
    samples.dedup_by(|later, first| later.name == first.name && later.labels == first.labels);
    let mut text = String::new();
    exposition::write_metrics(&mut text, &samples, None);
    text
}

/// Writes to standard output; a reader that has gone is no error of ours.
pub(crate) fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}
