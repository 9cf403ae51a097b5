//! The log of this process.

use std::sync::{Arc, PoisonError, RwLock};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt, reload};

use crate::counts::{Counting, count};
use crate::form::{Form, Lines, has_colours};
use crate::levels::{Level, Levels};
use crate::say::choose;

/// The log of this process, whose levels can change while it runs.
#[derive(Clone)]
pub struct Log {
    levels: Arc<RwLock<Levels>>,
    filter: reload::Handle<Targets, Registry>,
}

/// Lines are written from now on, to standard error.
#[must_use]
pub fn start(levels: Levels, form: Form) -> Log {
    choose(form);
    let (filter, handle) = reload::Layer::new(levels.targets());
    let lines = fmt::layer().with_writer(Lines { form }).with_target(false).with_ansi(has_colours());
    let lines = match form {
        Form::Plain => lines.boxed(),
        Form::Json => lines.json().flatten_event(true).boxed(),
        Form::Journal => lines.without_time().with_level(false).with_ansi(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(Counting).with(lines);
    // It fails only where a subscriber is set already, which no second log in one process does.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Log { levels: Arc::new(RwLock::new(levels)), filter: handle }
}

impl Log {
    /// Other levels from now on.
    pub fn set(&self, levels: Levels) {
        // It fails only where the log is gone.
        let _ = self.filter.reload(levels.targets());
        *self.levels.write().unwrap_or_else(PoisonError::into_inner) = levels;
    }

    /// Whether a line of this level is written of that policy.
    #[must_use]
    pub fn writes(&self, policy: &str, level: Level) -> bool {
        level <= self.levels.read().unwrap_or_else(PoisonError::into_inner).of_policy(policy)
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

/// Writes a line of a policy, under its name, and counts it.
pub fn write_policy_line(policy: &str, level: Level, text: &str) {
    match level {
        Level::Error => tracing::error!(target: "policy", "[{policy}] {text}"),
        Level::Warn => tracing::warn!(target: "policy", "[{policy}] {text}"),
        Level::Info => tracing::info!(target: "policy", "[{policy}] {text}"),
        Level::Debug => tracing::debug!(target: "policy", "[{policy}] {text}"),
        Level::Trace => tracing::trace!(target: "policy", "[{policy}] {text}"),
    }
    let counted = match level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        _ => return,
    };
    count(policy, counted);
}
