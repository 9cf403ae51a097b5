//! What the rules amount to: patterns that are ready to match, and requests that are ready to be made.

use wca_pattern::Pattern;
use wca_schemata::{MalformedRow, bandwidth, cache_ways};

use crate::ask::Ask;
use crate::static_allocator::{Allocations, Config, Match, Rdt, Rule, Switch};
use crate::values::{bytes, bytes_text, ids, ids_text};

/// All rules, in their order.
pub(crate) struct Plan {
    rules: Vec<PlannedRule>,
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// A rule that gives something.
struct PlannedRule {
    whom: Whom,
    gives: Vec<Given>,
}

/// Which tasks.
enum Whom {
    Everybody,
    Id(String),
    Labels(Match, Vec<(String, Pattern)>),
}

/// One value of a rule.
pub(crate) struct Given {
    /// The key under `allocations`: of several rules the last with this key counts.
    pub(crate) key: &'static str,
    /// Path of the value in the configuration, by which the runtime finds its line.
    pub(crate) path: String,
    /// The rule and the value, for messages.
    pub(crate) shown: String,
    /// The requests, in the order in which they are made; the text says what keeps them from being made.
    pub(crate) asks: Result<Vec<Ask>, String>,
}

/// What is known of a task.
pub(crate) struct Who<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) labels: &'a [(String, String)],
}

impl Plan {
    /// Reads the rules.
    ///
    /// # Errors
    /// What is wrong with a pattern or with the labels of a rule, after the path of it.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let mut plan = Self { rules: Vec::new(), notes: Vec::new(), warnings: Vec::new() };
        for (list, rules) in [("rules", &config.rules), ("config", &config.config)] {
            for (number, rule) in rules.iter().flatten().enumerate() {
                plan.add(rule, &format!("{list}[{number}]"))?;
            }
        }
        if config.rules.iter().chain(&config.config).all(Vec::is_empty) {
            plan.warnings.push("there are no rules, so that nothing is asked for".into());
        }
        Ok(plan)
    }

    /// What the operator may want to know of the rules.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What is odd about the rules.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What the rules give a task: of each key the value of the last rule that has it. Of a pattern that takes too long to search
    /// for, the path.
    pub(crate) fn gives(&self, who: &Who<'_>) -> Result<Vec<&Given>, String> {
        let mut gives: Vec<&Given> = Vec::new();
        for rule in &self.rules {
            if rule.whom.includes(who)? {
                for given in &rule.gives {
                    gives.retain(|earlier| earlier.key != given.key);
                    gives.push(given);
                }
            }
        }
        Ok(gives)
    }

    /// Ids that rules name.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match &rule.whom {
            Whom::Id(id) => Some(id.as_str()),
            _ => None,
        })
    }

    fn add(&mut self, rule: &Rule, path: &str) -> Result<(), String> {
        let name = rule.name.as_ref().map_or_else(|| "the rule".to_owned(), |name| format!("the rule `{name}`"));
        let whom = self.whom(rule, path, &name)?;
        match &rule.allocations {
            None => self.warnings.push(format!("{path}: {name} has no `allocations` and gives nothing")),
            Some(allocations) => {
                let gives = given(allocations, path, &name);
                // One with empty allocations takes nothing away from others.
                if !gives.is_empty() {
                    self.rules.push(PlannedRule { whom, gives });
                }
            }
        }
        Ok(())
    }

    fn whom(&mut self, rule: &Rule, path: &str, name: &str) -> Result<Whom, String> {
        if let Some(id) = &rule.task_id {
            return Ok(Whom::Id(id.clone()));
        }
        let Some(labels) = &rule.labels else { return Ok(Whom::Everybody) };
        if labels.is_empty() {
            let what = "names no label, and so no task; without the key `labels` it would be for all";
            return Err(format!("{path}.labels: {name} {what}"));
        }
        let mut patterns = Vec::new();
        for (label, text) in labels {
            let wrong = |error| format!("{path}.labels.{label}: {name}: `{text}` is no regular expression: {error}");
            patterns.push((label.clone(), Pattern::new(text).map_err(wrong)?));
        }
        if rule.r#match.is_none() && labels.len() > 1 {
            let count = labels.len();
            self.notes.push(format!(
                "{path}: {name} has {count} labels, and is for tasks with any one of them; `match: all` asks for all"
            ));
        }
        Ok(Whom::Labels(rule.r#match.unwrap_or(Match::Any), patterns))
    }
}

impl Whom {
    fn includes(&self, who: &Who<'_>) -> Result<bool, String> {
        let (wanted, patterns) = match self {
            Self::Everybody => return Ok(true),
            Self::Id(id) => return Ok(id == who.id),
            Self::Labels(wanted, patterns) => (*wanted, patterns),
        };
        for (label, pattern) in patterns {
            let matches = match who.label(label) {
                None => false,
                Some(value) => pattern.matches_beginning(value).map_err(|_| {
                    format!(
                        "the regular expression `{}` takes too long on the label {label} `{value}`",
                        pattern.as_str()
                    )
                })?,
            };
            if matches == (wanted == Match::Any) {
                return Ok(matches);
            }
        }
        Ok(wanted == Match::All)
    }
}

impl Who<'_> {
    /// The value of a label; id and name of a task are labels of it too.
    fn label(&self, name: &str) -> Option<&str> {
        match name {
            "task_id" => Some(self.id),
            "task_name" => Some(self.name),
            _ => self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()),
        }
    }
}

/// What a rule gives, key by key.
fn given(allocations: &Allocations, path: &str, name: &str) -> Vec<Given> {
    let mut gives = Vec::new();
    let mut add = |key: &'static str, value: Option<(String, Result<Vec<Ask>, String>)>| {
        if let Some((text, asks)) = value {
            let path = format!("{path}.allocations.{key}");
            gives.push(Given { key, path, shown: format!("{name}, {key} {text}"), asks });
        }
    };
    let Allocations { cpu_quota, cpu_shares, cpu_weight, cpuset_cpus, cpuset_mems, .. } = allocations;
    let number = |value: f64, ask: Ask| (value.to_string(), Ok(vec![ask]));
    add("cpu_quota", cpu_quota.map(|share| number(share, Ask::CpuQuota(share))));
    add("cpu_shares", cpu_shares.map(|shares| number(shares, Ask::CpuShares(shares))));
    add("cpu_weight", cpu_weight.map(|weight| number(weight.into(), Ask::CpuWeight(weight))));
    let list = |written, ask: fn(Vec<u32>) -> Ask| (ids_text(written), ids(written).map(|ids| vec![ask(ids)]));
    add("cpuset_cpus", cpuset_cpus.as_ref().map(|written| list(written, Ask::CpusetCpus)));
    add("cpuset_mems", cpuset_mems.as_ref().map(|written| list(written, Ask::CpusetMems)));
    add("cpuset_memory_migrate", allocations.cpuset_memory_migrate.as_ref().map(switch));
    let node = allocations.migrate_pages;
    add("migrate_pages", node.map(|node| number(node.into(), Ask::MigratePages(node))));
    add("rdt", allocations.rdt.as_ref().map(rdt));
    let limit =
        |written, ask: fn(Option<u64>) -> Ask| (bytes_text(written), bytes(written).map(|bytes| vec![ask(bytes)]));
    add("memory_high", allocations.memory_high.as_ref().map(|written| limit(written, Ask::MemoryHigh)));
    add("memory_max", allocations.memory_max.as_ref().map(|written| limit(written, Ask::MemoryMax)));
    add(
        "memory_low",
        allocations.memory_low.as_ref().map(|written| {
            let low = bytes(written).and_then(|bytes| bytes.ok_or_else(|| "max is no number of bytes to keep".into()));
            (bytes_text(written), low.map(|bytes| vec![Ask::MemoryLow(bytes)]))
        }),
    );
    let weight = allocations.io_weight;
    add("io_weight", weight.map(|weight| number(weight.into(), Ask::IoWeight(weight))));
    gives
}

fn switch(written: &Switch) -> (String, Result<Vec<Ask>, String>) {
    let (text, on) = match written {
        Switch::On(on) => (on.to_string(), Ok(*on)),
        Switch::Number(number @ (0 | 1)) => (number.to_string(), Ok(*number == 1)),
        Switch::Number(number) => (number.to_string(), Err("0 or 1 is taken, or false or true".into())),
    };
    (text, on.map(|on| vec![Ask::CpusetMemoryMigrate(on)]))
}

fn rdt(written: &Rdt) -> (String, Result<Vec<Ask>, String>) {
    let group = match written.name.as_deref() {
        None => "a group of its own".to_owned(),
        Some("") => "the root group".to_owned(),
        Some(name) => format!("the group {name}"),
    };
    let lines = [&written.l3, &written.l3_code, &written.l3_data, &written.l2, &written.mb];
    let texts = lines.into_iter().flatten().map(String::as_str);
    let shown = std::iter::once(group.as_str()).chain(texts).collect::<Vec<_>>().join(", ");
    let asks = schemata(written).map(|asks| std::iter::once(Ask::RdtGroup(written.name.clone())).chain(asks).collect());
    (shown, asks)
}

/// What the lines of `schemata` ask for in each domain.
fn schemata(written: &Rdt) -> Result<Vec<Ask>, String> {
    let lines: [(_, _, fn(u32, u64) -> Ask); 4] = [
        (&written.l3, "L3", Ask::RdtL3),
        (&written.l3_code, "L3CODE", Ask::RdtL3Code),
        (&written.l3_data, "L3DATA", Ask::RdtL3Data),
        (&written.l2, "L2", Ask::RdtL2),
    ];
    let wrong = |text: &str, why: MalformedRow| format!("`{text}`: {why}");
    let mut asks = Vec::new();
    for (text, resource, ask) in lines {
        let Some(text) = text else { continue };
        let ways = cache_ways(text, resource).map_err(|why| wrong(text, why))?;
        asks.extend(ways.into_iter().map(|(domain, mask)| ask(domain, mask)));
    }
    if let Some(text) = &written.mb {
        let limits = bandwidth(text, "MB").map_err(|why| wrong(text, why))?;
        asks.extend(limits.into_iter().map(|(domain, limit)| Ask::RdtMb(domain, limit)));
    }
    Ok(asks)
}
