//! `wca metrics`: every metric that this program has, from the definitions that its code goes by.

use std::fmt::Write as _;

use wca_model::{Confirmed, Described, MetricInfo, Subject, exposition};

use crate::arguments::MetricsArguments;
use crate::report;

/// Prints all metrics.
pub(crate) fn metrics(arguments: &MetricsArguments) {
    let all = definitions();
    report::print(&if arguments.markdown { page(&all) } else { list(&all) });
}

/// All of them, by subject and name.
fn definitions() -> Vec<Described> {
    let mut all = wca_kernel::definitions();
    all.extend(wca_agent::definitions());
    all.sort_by(|one, other| (one.subject, &one.info.name).cmp(&(other.subject, &other.info.name)));
    all
}

/// For people at a terminal. Writing to a `String` cannot fail.
fn list(all: &[Described]) -> String {
    let mut text = String::new();
    for one in all {
        let info = &one.info;
        let levels = if info.levels.is_empty() { String::new() } else { format!(", by {}", info.levels.join(", ")) };
        let _ = writeln!(text, "{} ({}, {}{levels})", info.name, info.kind.as_str(), info.unit);
        let _ = writeln!(text, "    {}", info.help);
        let sources = match () {
            () if one.v1 == one.v2 => vec![("source", &one.v1)],
            () => vec![("cgroup v1", &one.v1), ("cgroup v2", &one.v2)],
        };
        for (version, source) in sources.into_iter().filter(|(_, source)| !source.is_empty()) {
            let _ = writeln!(text, "    {version}: {source}");
        }
        if !one.formula.is_empty() {
            let _ = writeln!(text, "    value: {}", one.formula);
        }
        let _ = writeln!(text, "    confirmed: {}", confirmed(one.confirmed));
    }
    text
}

/// How its values behave, and the type of the text format where that is another.
fn kind(info: &MetricInfo) -> String {
    match (info.kind.as_str(), exposition::type_of(&info.name, info.kind)) {
        (kind, written) if kind == written => kind.to_owned(),
        (kind, written) => format!("{kind}, as {written}"),
    }
}

fn confirmed(confirmed: &[Confirmed]) -> String {
    confirmed.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
# Metrics

`wca metrics --markdown` writes this page from the definitions that the code goes by.

Every metric has the label `host`, those of `extra_labels`, and with `include_optional_labels` those of the machine. Those of a
task have `task_id`, `task_name` and the task's own labels too. The column *by* has the labels by which a metric is divided
besides. What a machine lacks is absent, never 0: `wca doctor` says what and what it would take, `wca tasks`
of each task which files its cgroups lack. The log says once what is missing of that which a configuration asks for by name.

The column *kind* says how values behave. In the text format a counter is written as `counter` where its name ends with `_total` or
the Python agent had it, and otherwise as `untyped`, since `promtool check metrics` complains of other names of counters. In OpenMetrics
those without `_total` are `unknown`. Their names stay, and queries with `rate()` work with each.

The column *confirmed* says where a metric was seen to be right: on a *machine* with cgroup v1, in the *test bed*, a stock kernel
in a virtual machine with cgroup v2, two NUMA nodes, Intel RDT and counters, or only on a *described tree*: files that were captured
elsewhere, or written by hand after the kernel's documents.
";

/// The page of the documentation.
fn page(all: &[Described]) -> String {
    let mut text = String::from(HEAD);
    for (subject, title) in [
        (Subject::Task, "Tasks"),
        (Subject::Machine, "The machine"),
        (Subject::Agent, "The agent"),
        (Subject::Policy, "Policies, what they find and what they ask for"),
    ] {
        let own: Vec<&Described> = all.iter().filter(|one| one.subject == subject).collect();
        let _ = writeln!(text, "\n## {title}\n");
        table(&mut text, subject, &own);
    }
    text.push_str(
        "\nAn event that an operator names, as `name__rEEUU` in `event_names` or as `name/pmu/event=…/` in `uncore_event_names`, has \
         that name: the whole of the first, of the second what stands before the `/`.\n\nWhat a component reports has the names that the component gives it; its own page, or `wca inspect`, tells them.\n",
    );
    text
}

fn table(text: &mut String, subject: Subject, all: &[&Described]) {
    let sources: &[&str] = match subject {
        Subject::Task => &["cgroup v1", "cgroup v2"],
        Subject::Machine => &["source"],
        Subject::Agent | Subject::Policy => &[],
    };
    let columns = [&["metric", "kind", "unit", "by", "what it is"], sources, &["value", "confirmed"]].concat();
    let _ = writeln!(text, "| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
    for one in all {
        let info = &one.info;
        let source: &[&str] = match subject {
            Subject::Task => &[&one.v1, &one.v2],
            Subject::Machine => &[&one.v1],
            Subject::Agent | Subject::Policy => &[],
        };
        let name = format!("`{}`", info.name);
        let levels = info.levels.iter().map(|level| format!("`{level}`")).collect::<Vec<_>>().join(", ");
        let confirmed = confirmed(one.confirmed);
        let kind = kind(info);
        let first = [name.as_str(), &kind, &info.unit, &levels, &info.help];
        let cells = [&first, source, &[one.formula.as_str(), confirmed.as_str()]].concat();
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

#[cfg(test)]
#[path = "../../../tests/promtool.rs"]
mod promtool;
#[cfg(test)]
#[path = "../../../tests/skipped.rs"]
mod skipped;
#[cfg(test)]
use skipped::missing;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};
    use std::fs;

    use wca_model::{MetricKind, Sample, inherited};

    use super::promtool::{Lint, documented, lints};

    use super::*;

    #[test]
    fn the_page_in_the_documentation_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let written = page(&definitions());
        if std::env::var("WCA_BLESS").is_ok_and(|value| value == "1") {
            fs::write(path, &written).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == written, "docs/metrics.md is old; WCA_BLESS=1 cargo test --workspace metrics writes it");
    }

    #[test]
    fn each_metric_has_one_name_one_sentence_and_was_confirmed() {
        let mut names = HashSet::new();
        for one in definitions() {
            let info = one.info;
            assert!(names.insert(info.name.clone()), "{} stands twice", info.name);
            assert!(info.help.ends_with('.') && !info.unit.is_empty(), "{}", info.name);
            assert!(!one.confirmed.is_empty(), "{}", info.name);
        }
    }

    #[test]
    fn units_and_kinds_are_those_of_what_is_counted() {
        let all = definitions();
        let of = |name: &str| {
            let info = &all.iter().find(|one| one.info.name == name).unwrap_or_else(|| panic!("no {name}")).info;
            (info.unit.as_str(), info.kind.as_str())
        };
        assert_eq!(of("platform_mem_mode_size_bytes"), ("bytes", "gauge"));
        for memory in ["dram", "pmm"] {
            for direction in ["reads", "writes", "total"] {
                let name = format!("platform_{memory}_{direction}_bytes_per_second");
                assert_eq!(of(&name), ("bytes_per_second", "gauge"), "{name}");
            }
        }
        assert_eq!(of("platform_upi_bandwidth_bytes_per_second"), ("bytes_per_second", "gauge"));
        for name in ["wca_duration_seconds", "wca_duration_seconds_avg"] {
            assert_eq!(of(name), ("seconds", "gauge"), "{name}");
        }
    }

    #[test]
    fn counters_of_the_python_agent_are_counters_here_too() {
        // The first name of another one of them.
        let renamed = ("cpu_usage_per_cpu", "platform_cpu_usage");
        let all = definitions();
        for name in inherited::COUNTERS {
            let name = if name == renamed.0 { renamed.1 } else { name };
            let info = &all.iter().find(|one| one.info.name == name).unwrap_or_else(|| panic!("no {name}")).info;
            assert_eq!(info.kind, MetricKind::Counter, "{name}");
        }
    }

    /// A page with a sample of each metric that this program can have under a name of its own, of a raw event, which an operator
    /// names, and of a component.
    fn page_of_all() -> String {
        let label = |name: &str| (name.to_owned(), "x".to_owned());
        let sample = |info: &MetricInfo| {
            let of_task: &[&str] = if info.per_task { &["task_id", "task_name"] } else { &[] };
            let names = ["host"].iter().chain(of_task).copied().chain(info.levels.iter().map(String::as_str));
            let mut labels: Vec<_> = names.map(label).collect();
            labels.sort();
            labels.dedup();
            Sample { name: info.name.clone(), labels, value: 1.0, kind: info.kind, help: info.help.clone() }
        };
        let mut samples: Vec<Sample> = definitions().iter().map(|one| sample(&one.info)).collect();
        let renamed = [
            ("platform_cpu_usage", "cpu_usage_per_cpu"),
            ("platform_mem_usage_bytes", "memory_usage"),
            ("wca_mem_usage_bytes", "wca_memory_usage_bytes"),
        ];
        // The last one is what the NUMA allocator has from there.
        let others = [("task_cycles", "walks__r0e08"), ("wca_tasks", "numa__task_tasks_count")];
        for (name, other) in renamed.into_iter().chain(others) {
            let one = samples.iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("no {name}"));
            samples.push(Sample { name: other.into(), ..one.clone() });
        }
        samples.sort_by(|one, other| one.name.cmp(&other.name));
        let mut text = String::new();
        exposition::write_metrics(&mut text, &samples, None);
        text
    }

    #[test]
    fn promtool_complains_of_names_of_the_python_agent_alone_and_of_each_that_is_documented() {
        let Some(found) = lints(&page_of_all()) else { return };
        // As the documentation has all raw events.
        let raw = |(name, what): Lint| (name.replace("walks__r0e08", "NAME__rEEUU"), what);
        let found: BTreeSet<Lint> = found.into_iter().map(raw).collect();
        assert_eq!(found, documented());
        let counter = |name: &str| (name.to_owned(), "counter metrics should have \"_total\" suffix".to_owned());
        let counters = found.iter().filter(|(_, what)| what.starts_with("counter")).cloned();
        let inherited = inherited::COUNTERS.into_iter().chain(["NAME__rEEUU"]).map(counter);
        assert_eq!(counters.collect::<BTreeSet<_>>(), inherited.collect());
        // All others are metrics of the Python agent too, by its documentation.
        let others = found.iter().filter(|(_, what)| !what.starts_with("counter")).map(|(name, _)| name.as_str());
        let known = ["allocation_rdt_mb", "numa__task_tasks_count", "platform_dimm_count"];
        assert!(others.into_iter().all(|name| known.contains(&name) || inherited::is_counter(name)), "{found:?}");
    }

    #[test]
    fn the_list_says_of_each_where_it_is_found() {
        let text = list(&definitions());
        let expected = "\
task_mem_working_set_bytes (gauge, bytes)
    Memory that is charged to the task less page cache that was not used lately, which is given up first (inactive_file of memory.stat, total_inactive_file on cgroup v1).
    cgroup v1: task_mem_usage_bytes; memory.stat total_inactive_file
    cgroup v2: task_mem_usage_bytes; memory.stat inactive_file
    value: the other metric - what stands in the file, never below 0
    confirmed: machine, test bed
";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("platform_cpu_usage (counter, numeric, by cpu)"), "{text}");
    }
}
