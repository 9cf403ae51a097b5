//! Names that are none of an event on any machine, which is known before anything is counted.

use crate::definitions::definitions;
use crate::perf::event::{Event, EventError};
use crate::perf::microarchitecture::Microarchitecture;
use crate::perf::uncore::{UncoreError, UncoreEvent};

/// What is wrong with the name of an event of tasks, in a sentence without a full stop; none where it is right. An event that
/// this machine lacks is right.
#[must_use]
pub fn misnamed_event(name: &str) -> Option<String> {
    match Event::named(name, Microarchitecture::Other) {
        Ok(_) | Err(EventError::NotHere { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// The same of an event outside of cores, which may not take the name of another metric.
#[must_use]
pub fn misnamed_uncore_event(name: &str) -> Option<String> {
    match UncoreEvent::named(name, Microarchitecture::Other) {
        Err(UncoreError::NotHere { .. }) => None,
        Err(error) => Some(error.to_string()),
        // A name of the table without anything behind it is the metric of that name.
        Ok(event) if !name.contains('/') || !is_taken(&event.metric) => None,
        Ok(event) => Some(format!("{name:?}: {} is another metric already", event.metric)),
    }
}

fn is_taken(metric: &str) -> bool {
    definitions().iter().any(|described| described.info.name == metric)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::of_the_table("instructions", "")]
    #[case::of_the_table_with_a_hyphen("task_cache-misses", "")]
    #[case::of_another_processor("offcore_requests_demand_rfo", "")]
    #[case::raw("stalls__r00C4", "")]
    #[case::of_no_table("foo", "no event is called \"foo\"")]
    #[case::raw_but_short("x__r01", "has 2 hexadecimal digits")]
    #[case::raw_but_no_digits("x__rwxyz", "something else than hexadecimal digits")]
    #[case::raw_but_no_metric("a-b__r0100", "cannot be the name of a metric")]
    fn events_of_tasks(#[case] name: &str, #[case] expected: &str) {
        let told = misnamed_event(name).unwrap_or_default();
        assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
    }

    #[rstest]
    #[case::of_the_table("platform_cas_count_reads", "")]
    #[case::of_an_operator("my_reads/uncore_imc/event=04,umask=03/", "")]
    #[case::of_no_table("some_event", "no event is called \"some_event\"")]
    #[case::only_a_mask("x/uncore_imc/umask=1/", "must say either event")]
    #[case::no_name("/uncore_imc/event=1/", "does not begin with what can be the name of a metric")]
    #[case::of_another_metric("task_up/uncore_imc/event=1/", "task_up is another metric already")]
    fn events_outside_of_cores(#[case] name: &str, #[case] expected: &str) {
        let told = misnamed_uncore_event(name).unwrap_or_default();
        assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
    }
}
