//! One request, read from text.

use std::str::FromStr;

use wca_guest::plan;
use wca_guest::types::{Key, Refusal};

/// Asks for the value of this turn. The outer error is one of the text.
pub(crate) fn ask(task: Key, change: &str, turn: u32) -> Result<Result<(), Refusal>, String> {
    let mut words = change.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let values: Vec<&str> = words.collect();
    let at = turn as usize % values.len().max(1);
    let value = *values.get(at).ok_or_else(|| format!("`{change}` has no value"))?;
    Ok(match kind {
        "cpu_quota" => plan::cpu_quota(task, number(value)?),
        "cpu_shares" => plan::cpu_shares(task, number(value)?),
        "cpu_weight" => plan::cpu_weight(task, number(value)?),
        "cpuset_cpus" => plan::cpuset_cpus(task, &list(value)?),
        "cpuset_mems" => plan::cpuset_mems(task, &list(value)?),
        "cpuset_memory_migrate" => plan::cpuset_memory_migrate(task, value == "1"),
        "migrate_pages" => plan::migrate_pages(task, number(value)?),
        "rdt_group" => plan::rdt_group(task, (value != "own").then_some(value)),
        "rdt_l3" => in_domain(value, |domain, ways| {
            Ok(plan::rdt_l3(task, domain, u64::from_str_radix(ways, 16).map_err(|why| why.to_string())?))
        })?,
        "rdt_mb" => in_domain(value, |domain, limit| Ok(plan::rdt_mb(task, domain, number(limit)?)))?,
        "memory_high" => plan::memory_high(task, bytes(value)?),
        "memory_max" => plan::memory_max(task, bytes(value)?),
        "memory_low" => plan::memory_low(task, number(value)?),
        "io_weight" => plan::io_weight(task, number(value)?),
        "release" => plan::release(task, value),
        _ => return Err(format!("`{change}` is no kind that this guest knows")),
    })
}

fn number<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|why| format!("`{text}`: {why}"))
}

fn list(text: &str) -> Result<Vec<u32>, String> {
    text.split(',').map(number).collect()
}

fn bytes(text: &str) -> Result<Option<u64>, String> {
    if text == "max" { Ok(None) } else { number(text).map(Some) }
}

fn in_domain(
    text: &str,
    ask: impl FnOnce(u32, &str) -> Result<Result<(), Refusal>, String>,
) -> Result<Result<(), Refusal>, String> {
    let (domain, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is no domain=value"))?;
    ask(number(domain)?, value)
}
