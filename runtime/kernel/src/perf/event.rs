//! Names of events, and what the kernel is asked to count for them.

use perf_event_open_sys::bindings::{PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS};
use perf_event_open_sys::bindings::{PERF_TYPE_HARDWARE, PERF_TYPE_RAW, PERF_TYPE_SOFTWARE};
use wca_model::metric::is_metric_name;

use crate::perf::microarchitecture::Microarchitecture;
use crate::perf::table::{ALIASES, Code, EVENTS, NamedEvent, RawCode};

/// What a counter counts, as `perf_event_attr` of perf_event_open(2) has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Encoding {
    /// `PERF_TYPE_*`, or the number that a PMU has in its file `type`.
    pub kind: u32,
    /// `config`.
    pub config: u64,
    /// `config1`.
    pub config1: u64,
    /// `config2`.
    pub config2: u64,
}

impl Encoding {
    /// Whether the kernel itself counts, which needs no counter of the processor.
    pub(crate) fn is_software(self) -> bool {
        self.kind == PERF_TYPE_SOFTWARE
    }

    /// Whether Intel's processors have a counter for it alone: cycles and retired instructions (Intel SDM volume 3,
    /// 20.2.2, fixed-function performance counters).
    pub(crate) fn has_fixed_counter(self) -> bool {
        self.kind == PERF_TYPE_HARDWARE
            && [PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS].map(u64::from).contains(&self.config)
    }
}

/// An event that is counted per task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Name of the metric.
    pub metric: String,
    /// What is counted, in one sentence.
    pub help: String,
    /// What the kernel is asked for.
    pub encoding: Encoding,
}

/// A name is not one of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    /// Neither in the table nor raw.
    #[error("no event is called {name:?}: it is none of {known}, and does not contain __r with a raw event after it")]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// In the table, but not for this processor.
    #[error("no code of {name:?} is known for {cpu}: name it as a raw event, {name}__rEEUU with event and unit mask")]
    NotHere {
        /// The name.
        name: String,
        /// The microarchitecture.
        cpu: Microarchitecture,
    },
    /// A raw event with another number of digits than it can have.
    #[error("{name:?} has {digits} hexadecimal digits behind __r; a raw event has a length of 4, 6 or 16")]
    Length {
        /// The name.
        name: String,
        /// How many digits.
        digits: usize,
    },
    /// A raw event with something else than digits.
    #[error("{name:?} has something else than hexadecimal digits behind __r")]
    Digits {
        /// The name.
        name: String,
    },
    /// A raw event whose name cannot be the name of a metric.
    #[error("{name:?} cannot be the name of a metric: letters, digits, _ and : can stand in one, and no digit first")]
    Metric {
        /// The name.
        name: String,
    },
}

impl Event {
    /// The event of a name: `cycles`, `cache-misses`, `task_cycles`, or a raw one as [`raw`] says, which keeps its whole
    /// name as the name of the metric.
    pub(crate) fn named(name: &str, cpu: Microarchitecture) -> Result<Self, EventError> {
        if let Some(known) = find(name) {
            let encoding =
                encoding(known, cpu).ok_or_else(|| EventError::NotHere { name: short(known).to_owned(), cpu })?;
            return Ok(Self { metric: known.name.to_owned(), help: known.help.to_owned(), encoding });
        }
        let (_, digits) = name.rsplit_once("__r").ok_or_else(|| EventError::Unknown {
            name: name.to_owned(),
            known: EVENTS.iter().map(short).collect::<Vec<_>>().join(", "),
        })?;
        let encoding = raw(name, digits)?;
        if !is_metric_name(name) {
            return Err(EventError::Metric { name: name.to_owned() });
        }
        Ok(Self { metric: name.to_owned(), help: format!("Raw event {digits} of the task."), encoding })
    }
}

/// Whether an event of this name is one of the kernel itself, which needs no counter of the processor, as `page-faults`.
#[must_use]
pub fn is_software_event(name: &str) -> bool {
    find(name).is_some_and(|event| matches!(event.code, Code::Software(_)))
}

/// The name without what all have.
fn short(event: &NamedEvent) -> &'static str {
    event.name.strip_prefix("task_").unwrap_or(event.name)
}

fn find(name: &str) -> Option<&'static NamedEvent> {
    let name = name.replace('-', "_");
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, name)| *name);
    EVENTS.iter().find(|event| event.name == alias.unwrap_or(&name) || short(event) == name)
}

fn encoding(event: &NamedEvent, cpu: Microarchitecture) -> Option<Encoding> {
    let of = |kind, config| Encoding { kind, config, ..Encoding::default() };
    match event.code {
        Code::Generic(config) => Some(of(PERF_TYPE_HARDWARE, config.into())),
        Code::Software(config) => Some(of(PERF_TYPE_SOFTWARE, config.into())),
        Code::Raw(codes) => {
            let (_, code) = codes.iter().find(|(cpus, _)| cpus.contains(&cpu))?;
            Some(of(PERF_TYPE_RAW, code.config()))
        }
    }
}

/// The digits behind `__r` of a raw event, all hexadecimal: two of the event, two of the unit mask, then two of the counter
/// mask or none, and then ten of `config1` (for `offcore_rsp` and the like) or none.
fn raw(name: &str, digits: &str) -> Result<Encoding, EventError> {
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(EventError::Digits { name: name.to_owned() });
    }
    let length = || EventError::Length { name: name.to_owned(), digits: digits.len() };
    if ![4, 6, 16].contains(&digits.len()) {
        return Err(length());
    }
    let number = |from: usize, to: usize| match digits.get(from..to) {
        None | Some("") => Ok(0),
        Some(part) => u64::from_str_radix(part, 16).map_err(|_| length()),
    };
    let byte = |from| number(from, from + 2).map(|number| u8::try_from(number).unwrap_or(u8::MAX));
    let code = RawCode { event: byte(0)?, umask: byte(2)?, cmask: byte(4)? };
    Ok(Encoding { kind: PERF_TYPE_RAW, config: code.config(), config1: number(6, 16)?, config2: 0 })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Microarchitecture::{Broadwell, CascadeLake, CooperLake, IceLake, Other, Skylake};
    use super::*;

    const fn encoded(kind: u32, config: u64) -> Encoding {
        Encoding { kind, config, config1: 0, config2: 0 }
    }

    #[rstest]
    #[case("task_cycles", "task_cycles", 0)]
    #[case("instructions", "task_instructions", 1)]
    #[case("cache-references", "task_cache_references", 2)]
    #[case("cache-misses", "task_cache_misses", 3)]
    #[case("task_cache_misses", "task_cache_misses", 3)]
    fn generic_events_are_known_everywhere(#[case] name: &str, #[case] metric: &str, #[case] config: u64) {
        for cpu in [Skylake, Broadwell, IceLake, Other] {
            let event = Event::named(name, cpu).unwrap();
            assert_eq!((event.metric.as_str(), event.encoding), (metric, encoded(PERF_TYPE_HARDWARE, config)));
        }
    }

    #[rstest]
    #[case("stalled_mem_loads", 0x1400_14a3)]
    #[case("offcore_requests_l3_miss_demand_data_rd", 0x10b0)]
    #[case("offcore_requests_demand_data_rd", 0x01b0)]
    #[case("offcore_requests_demand_rfo", 0x04b0)]
    #[case("offcore_requests_outstanding_l3_miss_demand_data_rd", 0x1060)]
    #[case("mem_load_retired_local_dram", 0x01d3)]
    #[case("mem_load_retired_remote_dram", 0x02d3)]
    #[case("mem_inst_retired_loads", 0x81d0)]
    #[case("mem_inst_retired_stores", 0x82d0)]
    #[case("dtlb_load_misses", 0x0e08)]
    fn raw_events_of_skylake_and_those_after_it(#[case] name: &str, #[case] config: u64) {
        for cpu in [Skylake, CascadeLake, CooperLake] {
            let event = Event::named(&format!("task_{name}"), cpu).unwrap();
            assert_eq!((event.metric, event.encoding), (format!("task_{name}"), encoded(PERF_TYPE_RAW, config)));
        }
        assert!(matches!(Event::named(name, Other), Err(EventError::NotHere { cpu: Other, .. })));
    }

    #[rstest]
    #[case("mem_load_retired_local_pmm", CascadeLake, Some(0x80d1))]
    #[case("mem_load_retired_local_pmm", Skylake, None)]
    #[case("memstalls", Broadwell, Some(0x0600_06a3))]
    #[case("memstalls", IceLake, Some(0x1400_14a3))]
    #[case("dtlb_load_misses", Broadwell, None)]
    fn raw_events_of_one(#[case] name: &str, #[case] cpu: Microarchitecture, #[case] config: Option<u64>) {
        assert_eq!(Event::named(name, cpu).ok().map(|event| event.encoding.config), config);
    }

    #[rstest]
    #[case("context-switches", "task_context_switches", 3)]
    #[case("cpu_migrations", "task_cpu_migrations", 4)]
    #[case("page_faults", "task_page_faults", 2)]
    #[case("minor_faults", "task_minor_faults", 5)]
    #[case("major_faults", "task_major_faults", 6)]
    fn software_events(#[case] name: &str, #[case] metric: &str, #[case] config: u64) {
        let event = Event::named(name, Other).unwrap();
        assert_eq!((event.metric.as_str(), event.encoding), (metric, encoded(PERF_TYPE_SOFTWARE, config)));
        assert!(event.encoding.is_software());
    }

    #[rstest]
    #[case("x__rD301", 0x01d3, 0)]
    #[case("x__rD3010a", 0x0a00_01d3, 0)]
    #[case::v58("x__rD3010a1122334455", 0x0a00_01d3, 0x11_2233_4455)]
    #[case("a__r__r00c0", 0xc000, 0)]
    fn raw_events(#[case] name: &str, #[case] config: u64, #[case] config1: u64) {
        let event = Event::named(name, Other).unwrap();
        assert_eq!(event.metric, name);
        assert_eq!(event.encoding, Encoding { kind: PERF_TYPE_RAW, config, config1, config2: 0 });
    }

    #[rstest]
    #[case::v59("some_event", "does not contain __r")]
    #[case::v59("x__rD3010a11", "length of 4, 6 or 16")]
    #[case::v59("x__rxxxx", "something else than hexadecimal digits")]
    #[case("x__r+301", "something else than hexadecimal digits")]
    #[case("x__r", "length of 4, 6 or 16")]
    #[case("x y__rD301", "cannot be the name of a metric")]
    #[case("", "does not contain __r")]
    fn no_events(#[case] name: &str, #[case] expected: &str) {
        let error = Event::named(name, Skylake).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn requests_and_outstanding_requests_are_told_apart_in_words() {
        let help = |name| Event::named(name, Skylake).unwrap().help;
        assert!(!help("offcore_requests_l3_miss_demand_data_rd").contains("outstanding"));
        assert!(help("offcore_requests_outstanding_l3_miss_demand_data_rd").contains("outstanding"));
    }

    #[test]
    fn names_of_the_table_are_names_of_metrics_and_each_stands_once() {
        for (at, event) in EVENTS.iter().enumerate() {
            assert!(is_metric_name(event.name) && event.name.starts_with("task_"), "{}", event.name);
            assert!(EVENTS[..at].iter().all(|other| other.name != event.name), "{}", event.name);
        }
    }

    #[rstest]
    #[case("cycles", true)]
    #[case("instructions", true)]
    #[case("cache_misses", false)]
    #[case("page_faults", false)]
    fn counters_of_their_own(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(Event::named(name, Skylake).unwrap().encoding.has_fixed_counter(), expected);
    }
}
