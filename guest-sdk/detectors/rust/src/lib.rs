//! Reports tasks whose use of processors is above a threshold, for some ticks in a row.

use std::cell::RefCell;
use std::collections::HashMap;
use wca::policy::{now, report, types};

wit_bindgen::generate!({ path: "wit", generate_all });

#[derive(Default)]
struct Threshold {
    threshold: f64,
    ticks: u32,
    /// For how many ticks each task has been above the threshold.
    above: HashMap<types::Key, u32>,
}

thread_local!(static STATE: RefCell<Threshold> = RefCell::default());

impl Guest for Threshold {
    fn configure(threshold: f64, ticks: Option<u32>) -> Result<(), String> {
        if threshold.is_nan() {
            return Err("threshold: a number is wanted".to_owned());
        }
        STATE.set(Threshold { threshold, ticks: ticks.unwrap_or(3), above: HashMap::new() });
        Ok(())
    }

    fn detect() -> Result<(), String> {
        STATE.with_borrow_mut(|state| {
            for key in now::roster_changes().departed {
                state.above.remove(&key);
            }
            let columns = now::rates("task_cpu_usage_seconds");
            for (row, key) in now::keys().into_iter().enumerate() {
                // Not `sum`, which begins at -0.0: the same bits are wanted in every language.
                let value = columns.iter().fold(0.0, |sum, column| sum + column[row]);
                let count = state.above.entry(key).or_default();
                *count = if value > state.threshold { *count + 1 } else { 0 };
                if *count >= state.ticks {
                    report::contention(types::Contended::Cpus, key, &[], &[evidence(value)])
                        .map_err(|refusal| format!("{refusal:?}"))?;
                }
            }
            Ok(())
        })
    }
}

fn evidence(value: f64) -> types::Sample {
    types::Sample {
        name: "rate".to_owned(),
        labels: Vec::new(),
        value,
        kind: types::MetricKind::Gauge,
        help: String::new(),
    }
}

export!(Threshold);
