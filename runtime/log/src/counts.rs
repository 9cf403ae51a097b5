//! How many warnings and errors there were, by module.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::levels::POLICY;
use crate::modules::module_of;

/// Lines of one module since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Warnings.
    pub warnings: u64,
    /// Errors.
    pub errors: u64,
}

/// Modules whose lines are remembered: policies, and so their names, may come and go.
const REMEMBERED: usize = 1_000;

static COUNTS: Mutex<BTreeMap<String, Counted>> = Mutex::new(BTreeMap::new());

/// Warnings and errors so far, by module. Those of the agent itself are always there.
#[must_use]
pub fn counts() -> Vec<(String, Counted)> {
    let mut counts = locked().clone();
    counts.entry("wca.agent".into()).or_default();
    counts.into_iter().collect()
}

pub(crate) fn count(module: &str, level: tracing::Level) {
    if level > tracing::Level::WARN {
        return;
    }
    let mut counts = locked();
    if counts.len() >= REMEMBERED && !counts.contains_key(module) {
        return;
    }
    let counted = counts.entry(module.to_owned()).or_default();
    if level == tracing::Level::ERROR { counted.errors += 1 } else { counted.warnings += 1 }
}

fn locked() -> MutexGuard<'static, BTreeMap<String, Counted>> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts what passes.
pub(crate) struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        // Those of policies are counted under their names.
        if metadata.target() != POLICY {
            count(&module_of(metadata.target()), *metadata.level());
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// One test, since the counts are those of the process.
    #[test]
    fn warnings_and_errors_are_counted_by_module_up_to_a_number_of_modules() {
        let of = |module: &str| counts().into_iter().find(|(name, _)| name == module).map(|(_, counted)| counted);
        assert_eq!(of("wca.agent"), Some(Counted::default()), "it is there before it has said anything");
        for (module, level) in [
            ("wca.storage", Level::WARN),
            ("wca.storage", Level::ERROR),
            ("wca.storage", Level::ERROR),
            ("wca.agent", Level::INFO),
            ("BusyTask", Level::DEBUG),
        ] {
            count(module, level);
        }
        assert_eq!(of("wca.storage"), Some(Counted { warnings: 1, errors: 2 }));
        assert_eq!((of("wca.agent"), of("BusyTask")), (Some(Counted::default()), None));
        for number in 0..2 * REMEMBERED {
            count(&format!("policy{number}"), Level::WARN);
        }
        count("wca.storage", Level::WARN);
        assert_eq!(of("wca.storage"), Some(Counted { warnings: 2, errors: 2 }));
        // `wca.agent` is beside them.
        assert_eq!(counts().len(), REMEMBERED + 1);
        assert!(counts().is_sorted_by(|one, other| one.0 < other.0));
    }
}
