//! The Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use crate::inherited;
use crate::metric::{Label, MetricKind, Sample};

/// What the name of a counter ends with, as readers of both text formats expect it.
pub(crate) const TOTAL: &str = "_total";

/// A metric with its samples, before it has a form.
#[derive(Clone, Debug, PartialEq)]
pub struct TextFamily<'a> {
    /// Its name.
    pub name: &'a str,
    /// How its values behave.
    pub kind: MetricKind,
    /// One sentence; may be empty.
    pub help: &'a str,
    /// Labels as [`label_text`] makes them, with the value.
    pub samples: Vec<(Cow<'a, str>, f64)>,
}

/// One family of each name, by their names, and in it each series once. Of those that share a name the first says kind and
/// help, and of equal series the last says the value: readers of the formats refuse what stands there twice.
#[must_use]
pub fn merged(mut families: Vec<TextFamily<'_>>) -> Vec<TextFamily<'_>> {
    families.sort_by_key(|family| family.name);
    let mut merged: Vec<TextFamily<'_>> = Vec::with_capacity(families.len());
    for family in families {
        match merged.last_mut() {
            Some(first) if first.name == family.name => add(&mut first.samples, family.samples),
            _ => merged.push(family),
        }
    }
    merged
}

fn add<'a>(samples: &mut Vec<(Cow<'a, str>, f64)>, others: Vec<(Cow<'a, str>, f64)>) {
    let known: HashMap<Cow<'a, str>, usize> =
        samples.iter().enumerate().map(|(at, (labels, _))| (labels.clone(), at)).collect();
    for (labels, value) in others {
        match known.get(&labels) {
            Some(at) => samples[*at].1 = value,
            None => samples.push((labels, value)),
        }
    }
}

/// Families that [`merged`] has made, each with its header.
pub fn write_families(text: &mut String, families: &[TextFamily<'_>]) {
    for family in families {
        write_header(text, family.name, family.kind, family.help);
        for (labels, value) in &family.samples {
            write_sample(text, family.name, labels, *value, None);
        }
    }
}

/// Labels in braces, values escaped; nothing where there are none.
#[must_use]
pub fn label_text(labels: &[Label]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let mut text = String::from("{");
    for (name, value) in labels {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        escape(&mut text, value, true);
        text.push('"');
    }
    text.push('}');
    text
}

/// The type that a metric has in this format. A counter is one where its name ends with `_total`, or where the Python agent had
/// it as one, so that its users' pages stay as they are; any other is `untyped`, as it is `unknown` in OpenMetrics: its name
/// stays, and no reader complains of it.
#[must_use]
pub fn type_of(name: &str, kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Counter if name.ends_with(TOTAL) || inherited::is_counter(name) => "counter",
        MetricKind::Counter => "untyped",
    }
}

/// The lines before the samples of a metric, set off by an empty line from what stands before.
pub fn write_header(text: &mut String, name: &str, kind: MetricKind, help: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    if !help.is_empty() {
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        escape(text, help, false);
        text.push('\n');
    }
    text.push_str("# TYPE ");
    text.push_str(name);
    text.push(' ');
    text.push_str(type_of(name, kind));
    text.push('\n');
}

/// One sample; `labels` as [`label_text`] makes them, `timestamp` in milliseconds since 1970.
pub fn write_sample(text: &mut String, name: &str, labels: &str, value: f64, timestamp: Option<i64>) {
    text.push_str(name);
    text.push_str(labels);
    text.push(' ');
    write_value(text, value);
    if let Some(timestamp) = timestamp {
        let _ = write!(text, " {timestamp}");
    }
    text.push('\n');
}

/// Samples that stand by name, each metric with its header.
pub fn write_metrics(text: &mut String, samples: &[Sample], timestamp: Option<i64>) {
    for metric in samples.chunk_by(|a, b| a.name == b.name) {
        write_samples(text, metric, timestamp);
    }
}

/// Samples of one metric, with the header of the first.
pub fn write_samples(text: &mut String, samples: &[Sample], timestamp: Option<i64>) {
    let Some(first) = samples.first() else { return };
    write_header(text, &first.name, first.kind, &first.help);
    for sample in samples {
        write_sample(text, &sample.name, &label_text(&sample.labels), sample.value, timestamp);
    }
}

/// A value in the shortest form that reads back the same. Writing to a `String` cannot fail.
pub(crate) fn write_value(text: &mut String, value: f64) {
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && value.abs() < 1e19 {
        // Whole numbers with all their digits: the shortest form would round the kernel's 9223372036854771712. Those of 64
        // bits are written several times faster than those of 128.
        #[allow(clippy::cast_possible_truncation, reason = "whole and below 9e18")]
        let _ = if value.abs() < 9e18 { write!(text, "{}", value as i64) } else { write!(text, "{}", value as i128) };
    } else if value.abs() >= 1e19 {
        let _ = write!(text, "{value:e}");
    } else {
        let _ = write!(text, "{value}");
    }
}

/// Escapes backslashes and ends of lines, and double quotes where the form wants it.
pub(crate) fn escape(text: &mut String, value: &str, quotes: bool) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, "0")]
    #[case(0.1 + 0.2, "0.30000000000000004")]
    #[case::v103_float(8.223, "8.223")]
    #[case(44_191_995_093.0, "44191995093")]
    #[case(9_223_372_036_854_771_712.0, "9223372036854771712")]
    #[case(1e300, "1e300")]
    #[case(f64::NAN, "NaN")]
    #[case(f64::INFINITY, "+Inf")]
    #[case(f64::NEG_INFINITY, "-Inf")]
    fn values(#[case] value: f64, #[case] expected: &str) {
        let mut text = String::new();
        write_value(&mut text, value);
        assert_eq!(text, expected);
    }

    #[rstest]
    #[case::v103_quotes("\"brave heart\"", r#"{a="\"brave heart\""}"#)]
    #[case::backslash(r"a\b", r#"{a="a\\b"}"#)]
    #[case::line("a\nb", r#"{a="a\nb"}"#)]
    fn values_of_labels(#[case] value: &str, #[case] expected: &str) {
        assert_eq!(label_text(&[("a".to_owned(), value.to_owned())]), expected);
    }

    #[rstest]
    #[case::of_ours("task_pressure_seconds", MetricKind::Counter, "untyped")]
    #[case::of_a_policy("moves", MetricKind::Counter, "untyped")]
    #[case::with_the_end_of_counters("moves_total", MetricKind::Counter, "counter")]
    #[case::inherited("task_cpu_usage_seconds", MetricKind::Counter, "counter")]
    #[case::raw_event("walks__r0e08", MetricKind::Counter, "counter")]
    #[case::gauge("task_ipc", MetricKind::Gauge, "gauge")]
    fn types(#[case] name: &str, #[case] kind: MetricKind, #[case] expected: &str) {
        let mut text = String::new();
        write_header(&mut text, name, kind, "");
        assert_eq!(text, format!("# TYPE {name} {expected}\n"));
    }

    #[test]
    fn families_of_one_name_become_one_and_no_series_stands_there_twice() {
        let family = |name: &'static str, help: &'static str, samples: &[(&'static str, f64)]| TextFamily {
            name,
            kind: MetricKind::Gauge,
            help,
            samples: samples.iter().map(|(labels, value)| (Cow::Borrowed(*labels), *value)).collect(),
        };
        let families = merged(vec![
            family("b", "First.", &[("{x=\"1\"}", 1.0), ("{x=\"2\"}", 2.0)]),
            family("a", "", &[("", 5.0)]),
            family("b", "Second.", &[("{x=\"2\"}", 3.0), ("{x=\"3\"}", 4.0)]),
        ]);
        let mut text = String::new();
        write_families(&mut text, &families);
        assert_eq!(
            text,
            "# TYPE a gauge\na 5\n\n# HELP b First.\n# TYPE b gauge\nb{x=\"1\"} 1\nb{x=\"2\"} 3\nb{x=\"3\"} 4\n"
        );
    }

    #[test]
    fn what_breaks_the_format_is_escaped() {
        let labels = [("a".to_owned(), "back\\slash \"quoted\"\nline".to_owned())];
        assert_eq!(label_text(&labels), "{a=\"back\\\\slash \\\"quoted\\\"\\nline\"}");
        let mut header = String::new();
        write_header(&mut header, "m", MetricKind::Gauge, "one\ntwo \"three\"");
        assert_eq!(header, "# HELP m one\\ntwo \"three\"\n# TYPE m gauge\n");
    }
}
