//! What a policy may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wca_config::{parse_bytes, parse_count, parse_duration};

/// What one policy may use. Every limit has a default, a flag (`--limit NAME=VALUE`) and a key in YAML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel of a call: about one per instruction, 10^9 are about 0.2 s.
    pub fuel: u64,
    /// Fuel from instantiation to the end of the first call.
    pub start_fuel: u64,
    /// Wall-clock time of a call, and of a runner between two calls to its node; none: the smaller of 1 s and half the
    /// interval, of a storage 2 s, of a runner that of the start.
    pub deadline: Option<Duration>,
    /// Wall-clock time from instantiation to the end of the first call, which has at least that of any other call.
    pub start_deadline: Duration,
    /// Bytes of all memories and tables together.
    pub memory: u64,
    /// Bytes that one call to the host may make the host allocate, random numbers that it asks for included.
    pub hostcall: u64,
    /// Handles of resources at once.
    pub handles: u64,
    /// Core instances, memories and tables, each.
    pub instances: u64,
    /// Metrics, and contentions, that a call may report; evidence and culprits count as metrics.
    pub metrics: u64,
    /// Bytes of name, labels and help of one metric.
    pub label_bytes: u64,
    /// Bytes of all that a call reports.
    pub report_bytes: u64,
    /// Requests that a call may make, for each task of the node.
    pub requests_per_task: u64,
    /// Lines that a call may log.
    pub log_lines: u64,
    /// Bytes of a line; the rest is cut off.
    pub log_line: u64,
    /// HTTP requests that may be under way at once, until their answers are read.
    pub http_requests: u64,
    /// Bytes of the body of an answer to an HTTP request.
    pub http_answer: u64,
    /// Failures in a row after which a policy is not called any more.
    pub quarantine_after: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            start_fuel: 10_000_000_000,
            deadline: None,
            start_deadline: Duration::from_secs(2),
            memory: 64 << 20,
            hostcall: 8 << 20,
            handles: 1_000,
            instances: 64,
            metrics: 10_000,
            label_bytes: 16 << 10,
            report_bytes: 16 << 20,
            requests_per_task: 64,
            log_lines: 100,
            log_line: 4 << 10,
            http_requests: 8,
            http_answer: 1 << 20,
            quarantine_after: 10,
        }
    }
}

/// A limit could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is no such limit.
    #[error("`{name}` is no limit; known: {}", names().join(", "))]
    Unknown {
        /// What was written.
        name: String,
    },
    /// The value is of the wrong form.
    #[error("limit `{name}`: {source}")]
    Value {
        /// The limit.
        name: String,
        /// What is wrong.
        #[source]
        source: wca_config::QuantityError,
    },
    /// The value is zero.
    #[error("limit `{name}`: 0 would let nothing run; give at least 1")]
    Zero {
        /// The limit.
        name: String,
    },
}

/// A limit as the command line knows it: its name and what it means.
pub struct LimitInfo {
    /// Its name on the command line and in YAML.
    pub name: &'static str,
    /// What it limits.
    pub help: &'static str,
    set: fn(&mut Limits, &str) -> Result<(), wca_config::QuantityError>,
    show: fn(&Limits) -> String,
}

macro_rules! limit {
    ($name:literal, $help:literal, $field:ident, bytes) => {
        LimitInfo {
            name: $name,
            help: $help,
            set: |limits, text| parse_bytes(text).map(|bytes| limits.$field = bytes),
            show: |limits| bytes(limits.$field),
        }
    };
    ($name:literal, $help:literal, $field:ident, count) => {
        LimitInfo {
            name: $name,
            help: $help,
            set: |limits, text| parse_count(text).map(|count| limits.$field = count),
            show: |limits| limits.$field.to_string(),
        }
    };
}

/// Every limit.
pub const LIMITS: &[LimitInfo] = &[
    limit!("fuel", "instructions of a call, about", fuel, count),
    limit!("start-fuel", "instructions up to the end of the first call, about", start_fuel, count),
    LimitInfo {
        name: "deadline",
        help: "time of a call, and of a runner between two calls to its node",
        set: |limits, text| parse_duration(text).map(|duration| limits.deadline = Some(duration)),
        show: |limits| {
            limits
                .deadline
                .map_or("half the interval, at most 1s; 2s of a storage".into(), |deadline| format!("{deadline:?}"))
        },
    },
    LimitInfo {
        name: "start-deadline",
        help: "time from instantiation to the end of the first call; of a runner also as `deadline` where none is set",
        set: |limits, text| parse_duration(text).map(|duration| limits.start_deadline = duration),
        show: |limits| format!("{:?}", limits.start_deadline),
    },
    limit!("memory", "bytes of all memories and tables", memory, bytes),
    limit!("hostcall", "bytes handed to the host, or asked of it, at once", hostcall, bytes),
    limit!("handles", "handles of resources at once", handles, count),
    limit!("instances", "core instances, memories and tables, each", instances, count),
    limit!("metrics", "metrics, and contentions, reported in a call", metrics, count),
    limit!("label-bytes", "bytes of name, labels and help of one metric", label_bytes, bytes),
    limit!("report-bytes", "bytes of all metrics and contentions that a call reports", report_bytes, bytes),
    limit!("requests-per-task", "requests of a call for each task of the node", requests_per_task, count),
    limit!("log-lines", "lines logged in a call", log_lines, count),
    limit!("log-line", "bytes of a logged line", log_line, bytes),
    limit!("http-requests", "HTTP requests under way at once, until their answers are read", http_requests, count),
    limit!("http-answer", "bytes of the body of an answer to an HTTP request", http_answer, bytes),
    limit!("quarantine-after", "failures in a row until it is not called any more", quarantine_after, count),
];

fn names() -> Vec<&'static str> {
    LIMITS.iter().map(|limit| limit.name).collect()
}

/// Bytes in the largest unit that shows them whole.
pub(crate) fn bytes(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

impl Limits {
    /// Sets a limit by its name; `-` and `_` are one.
    ///
    /// # Errors
    /// [`LimitError`] says what would be right.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LimitError> {
        let wanted = name.replace('_', "-");
        let limit = LIMITS
            .iter()
            .find(|limit| limit.name == wanted)
            .ok_or_else(|| LimitError::Unknown { name: name.to_owned() })?;
        if value.trim_matches('0').is_empty() && !value.is_empty() {
            return Err(LimitError::Zero { name: name.to_owned() });
        }
        (limit.set)(self, value).map_err(|source| LimitError::Value { name: name.to_owned(), source })
    }

    /// All limits as name, value and meaning.
    pub fn show(&self) -> impl Iterator<Item = (&'static str, String, &'static str)> {
        LIMITS.iter().map(|limit| (limit.name, (limit.show)(self), limit.help))
    }

    /// Wall-clock time of a call at this interval.
    #[must_use]
    pub fn deadline_at(&self, interval: Duration) -> Duration {
        self.deadline.unwrap_or_else(|| (interval / 2).min(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_by_its_name_and_shows_what_was_set() {
        for limit in LIMITS {
            let mut limits = Limits::default();
            let value = if limit.name.contains("deadline") { "3s" } else { "3" };
            limits.set(limit.name, value).unwrap();
            assert!((limit.show)(&limits).starts_with('3'), "{}: {}", limit.name, (limit.show)(&limits));
            assert_ne!(limits, Limits::default(), "{}", limit.name);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let mut limits = Limits::default();
        let cases = [
            ("feul", "1", "`feul` is no limit; known: fuel, start-fuel, deadline,"),
            ("memory", "64MB", "limit `memory`: `64MB` is no number of bytes (such as 64Mi, 512Ki, 1G or 4096)"),
            ("deadline", "soon", "limit `deadline`: `soon` is no duration above zero"),
            ("fuel", "0", "limit `fuel`: 0 would let nothing run; give at least 1"),
        ];
        for (name, value, expected) in cases {
            let error = limits.set(name, value).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn the_deadline_follows_the_interval() {
        let limits = Limits::default();
        assert_eq!(limits.deadline_at(Duration::from_millis(100)), Duration::from_millis(50));
        assert_eq!(limits.deadline_at(Duration::from_secs(60)), Duration::from_secs(1));
    }
}
