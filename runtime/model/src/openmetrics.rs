//! The text format of OpenMetrics 1.0
//! (<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>).

use std::collections::HashSet;

use crate::exposition::{TOTAL, TextFamily, escape, write_sample};
use crate::metric::MetricKind;

/// Families that [`crate::exposition::merged`] has made, and the end mark.
///
/// The family of a counter is called without `_total`. One whose name does not end with `_total` is written as `unknown`, so that its name stays. So is one that the format
/// would not take as a counter: where another family has a name that this one would take, or a value is negative or NaN.
pub fn write_families(text: &mut String, families: &[TextFamily<'_>]) {
    let names: HashSet<&str> = families.iter().map(|family| family.name).collect();
    for family in families {
        let (name, kind) = match (family.kind, counted(family, &names)) {
            (MetricKind::Gauge, _) => (family.name, "gauge"),
            (MetricKind::Counter, Some(counted)) => (counted, "counter"),
            (MetricKind::Counter, None) => (family.name, "unknown"),
        };
        for part in ["# TYPE ", name, " ", kind, "\n"] {
            text.push_str(part);
        }
        if !family.help.is_empty() {
            text.push_str("# HELP ");
            text.push_str(name);
            text.push(' ');
            escape(text, family.help, true);
            text.push('\n');
        }
        for (labels, value) in &family.samples {
            write_sample(text, family.name, labels, *value, None);
        }
    }
    text.push_str("# EOF\n");
}

/// Name of the family as a counter; none where it cannot be one.
fn counted<'a>(family: &TextFamily<'a>, names: &HashSet<&str>) -> Option<&'a str> {
    let name = family.name.strip_suffix(TOTAL).filter(|name| !name.is_empty())?;
    // Names of samples that belong to a counter of this name.
    let is_taken = names.contains(name) || names.contains(format!("{name}_created").as_str());
    let is_counted = family.samples.iter().all(|(_, value)| *value >= 0.0);
    (!is_taken && is_counted).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rstest::rstest;

    use super::*;

    const COUNTER: MetricKind = MetricKind::Counter;
    const GAUGE: MetricKind = MetricKind::Gauge;

    fn family(name: &'static str, kind: MetricKind, value: f64) -> TextFamily<'static> {
        TextFamily { name, kind, help: "", samples: vec![(Cow::Borrowed("{a=\"b\"}"), value)] }
    }

    fn text(families: &[TextFamily<'_>]) -> String {
        let mut text = String::new();
        write_families(&mut text, families);
        text
    }

    #[rstest]
    #[case::gauge(&[family("x", GAUGE, -1.5)], "# TYPE x gauge\nx{a=\"b\"} -1.5\n# EOF\n")]
    #[case::counter(&[family("x_total", COUNTER, 3.0)], "# TYPE x counter\nx_total{a=\"b\"} 3\n# EOF\n")]
    #[case::counter_of_another_name(&[family("x", COUNTER, 3.0)], "# TYPE x unknown\nx{a=\"b\"} 3\n# EOF\n")]
    #[case::not_a_number(&[family("x_total", COUNTER, f64::NAN)], "# TYPE x_total unknown\nx_total{a=\"b\"} NaN\n# EOF\n")]
    #[case::negative(&[family("x_total", COUNTER, -1.0)], "# TYPE x_total unknown\nx_total{a=\"b\"} -1\n# EOF\n")]
    #[case::no_other_name(&[family("_total", COUNTER, 1.0)], "# TYPE _total unknown\n_total{a=\"b\"} 1\n# EOF\n")]
    #[case::name_of_another(
        &[family("x", GAUGE, 1.0), family("x_total", COUNTER, 2.0)],
        "# TYPE x gauge\nx{a=\"b\"} 1\n# TYPE x_total unknown\nx_total{a=\"b\"} 2\n# EOF\n"
    )]
    #[case::sample_of_another(
        &[family("x_created", GAUGE, 1.0), family("x_total", COUNTER, 2.0)],
        "# TYPE x_created gauge\nx_created{a=\"b\"} 1\n# TYPE x_total unknown\nx_total{a=\"b\"} 2\n# EOF\n"
    )]
    #[case::nothing(&[], "# EOF\n")]
    fn what_each_family_becomes(#[case] families: &[TextFamily<'_>], #[case] expected: &str) {
        assert_eq!(text(families), expected);
    }

    #[test]
    fn help_is_escaped_with_its_quotes() {
        let help = "one\ntwo \"three\" \\";
        let text =
            text(&[TextFamily { help, samples: vec![(Cow::Borrowed(""), f64::INFINITY)], ..family("x", GAUGE, 0.0) }]);
        assert_eq!(text, "# TYPE x gauge\n# HELP x one\\ntwo \\\"three\\\" \\\\\nx +Inf\n# EOF\n");
    }
}
