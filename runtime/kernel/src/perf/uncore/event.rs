//! Names of events outside of cores, and what a PMU is asked for.

use wca_model::MetricKind;
use wca_model::metric::is_metric_name;

use crate::perf::event::Encoding;
use crate::perf::microarchitecture::Microarchitecture;
use crate::perf::uncore::format::Field;
use crate::perf::uncore::pmu::Pmu;
use crate::perf::uncore::table::UNCORE;

/// An event outside of cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UncoreEvent {
    /// Name of the metric.
    pub metric: String,
    /// What is counted, without a full stop.
    pub help: String,
    /// How its values behave.
    pub kind: MetricKind,
    /// Of which sort of PMU it is.
    pub sort: String,
    /// What the kernel calls it on some PMUs.
    kernel: Option<&'static str>,
    /// What it is otherwise; none where that is not known.
    terms: Option<String>,
}

/// A name is not one of an event outside of cores, or a PMU does not have it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UncoreError {
    /// Neither in the table nor of the form `name/pmu/terms/`.
    #[error("no event is called {name:?}: it is none of {known}, and not of the form name/pmu/event=04,umask=03/")]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// What should be its name cannot be the name of a metric.
    #[error("{name:?} does not begin with what can be the name of a metric")]
    Metric {
        /// The name.
        name: String,
    },
    /// No term says which event it is, or two say it.
    #[error("{name:?} must say either event=… or config=…, in hexadecimal digits")]
    Config {
        /// The name.
        name: String,
    },
    /// A term is not one of the PMU's, or its value does not fit.
    #[error("{pmu} does not take {term:?} of {name}: its terms are {known}, config, config1 and config2")]
    Term {
        /// The name.
        name: String,
        /// The PMU.
        pmu: String,
        /// The term.
        term: String,
        /// What the PMU takes.
        known: String,
    },
    /// In the table, but not for this processor.
    #[error("no code of {name:?} is known for {cpu}: name it as {name}/{sort}/event=…,umask=…/")]
    NotHere {
        /// The name.
        name: String,
        /// The sort of PMU.
        sort: String,
        /// The microarchitecture.
        cpu: Microarchitecture,
    },
}

impl UncoreEvent {
    /// The event of a name. Where what stands before the first `/` is a name of the table, the rest does not matter.
    pub(crate) fn named(name: &str, cpu: Microarchitecture) -> Result<Self, UncoreError> {
        let (first, rest) = name.split_once('/').unwrap_or((name, ""));
        let plain = first.replace('-', "_");
        let plain = plain.strip_prefix("platform_").unwrap_or(&plain);
        if let Some(known) = UNCORE.iter().find(|known| known.name.strip_prefix("platform_") == Some(plain)) {
            return Ok(Self {
                metric: known.name.to_owned(),
                help: known.help.to_owned(),
                kind: known.kind,
                sort: known.sort.to_owned(),
                kernel: known.kernel,
                terms: known.cpus.contains(&cpu).then(|| known.terms.to_owned()),
            });
        }
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let [sort, terms] = parts.as_slice() else {
            let known = UNCORE.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
            return Err(UncoreError::Unknown { name: name.to_owned(), known });
        };
        if !is_metric_name(first) {
            return Err(UncoreError::Metric { name: name.to_owned() });
        }
        let has = |key: &str| pairs(terms).any(|(term, _)| term == key);
        if has("config") == has("event") || has("config") && has("umask") {
            return Err(UncoreError::Config { name: name.to_owned() });
        }
        Ok(Self {
            metric: first.to_owned(),
            help: format!("Event {terms} of {sort}"),
            kind: MetricKind::Gauge,
            sort: (*sort).to_owned(),
            kernel: None,
            terms: Some((*terms).to_owned()),
        })
    }

    /// What a PMU is asked for.
    pub(crate) fn encoding(&self, pmu: &Pmu, cpu: Microarchitecture) -> Result<Encoding, UncoreError> {
        let not_here = || UncoreError::NotHere { name: self.metric.clone(), sort: self.sort.clone(), cpu };
        let kernel = self.kernel.and_then(|name| pmu.events.get(name));
        let terms = kernel.or(self.terms.as_ref()).ok_or_else(not_here)?;
        let mut encoding = Encoding { kind: pmu.kind, ..Encoding::default() };
        for (term, value) in pairs(terms) {
            let unfit = || UncoreError::Term {
                name: self.metric.clone(),
                pmu: pmu.name.clone(),
                term: format!("{term}={value}"),
                known: pmu.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", "),
            };
            let digits = value.strip_prefix("0x").unwrap_or(value);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let value = u64::from_str_radix(digits, 16).ok().filter(|_| is_number).ok_or_else(unfit)?;
            let whole = Field::whole(term);
            let field = pmu.fields.iter().find(|field| field.name == term).or(whole.as_ref()).ok_or_else(unfit)?;
            field.put(value, &mut encoding).ok_or_else(unfit)?;
        }
        Ok(encoding)
    }
}

/// `term=value` each; a term alone means 1.
fn pairs(terms: &str) -> impl Iterator<Item = (&str, &str)> {
    terms.split(',').filter(|term| !term.is_empty()).map(|term| term.split_once('=').unwrap_or((term, "1")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Microarchitecture::{CascadeLake, IceLake, Other, Skylake};
    use super::*;

    fn pmu(events: &[(&str, &str)]) -> Pmu {
        let field = |name, text: &str| Field::parse(name, text.as_bytes()).unwrap();
        let events = events.iter().map(|(name, terms)| ((*name).to_owned(), (*terms).to_owned()));
        Pmu {
            name: "uncore_imc_0".into(),
            kind: 13,
            cpus: vec![0],
            fields: vec![field("event", "config:0-7"), field("umask", "config:8-15"), field("inv", "config:23")],
            events: events.collect(),
        }
    }

    fn config(name: &str, cpu: Microarchitecture) -> Result<u64, UncoreError> {
        UncoreEvent::named(name, cpu)?.encoding(&pmu(&[]), cpu).map(|encoding| encoding.config)
    }

    #[rstest]
    #[case("platform_cas_count_reads", 0x304)]
    #[case("cas-count-writes", 0xc04)]
    #[case("platform_pmm_bandwidth_reads", 0xe3)]
    #[case("platform_pmm_bandwidth_writes/whatever", 0xe7)]
    #[case("platform_rpq_occupancy", 0x80)]
    #[case("platform_rpq_inserts", 0x10)]
    #[case("platform_imc_clockticks", 0)]
    #[case("platform_upi_rxl_flits", 0xf03)]
    #[case("platform_upi_txl_flits", 0xf02)]
    #[case::v68("x/uncore_imc/event=0x04,umask=0x0c/", 0xc04)]
    #[case::v68_event_zero_keeps_its_mask("x/uncore_imc/event=0,umask=f", 0xf00)]
    #[case("x/uncore_imc/config=abc/", 0xabc)]
    #[case("x/uncore_imc/event=1,inv", 0x80_0001)]
    fn encodings(#[case] name: &str, #[case] expected: u64) {
        assert_eq!(config(name, CascadeLake), Ok(expected));
    }

    #[test]
    fn the_kernels_own_name_comes_first() {
        let event = UncoreEvent::named("platform_cas_count_reads", IceLake).unwrap();
        let encoding = event.encoding(&pmu(&[("cas_count_read", "event=0x04,umask=0x0f")]), IceLake).unwrap();
        assert_eq!((encoding.kind, encoding.config), (13, 0xf04));
        assert!(matches!(event.encoding(&pmu(&[]), IceLake), Err(UncoreError::NotHere { cpu: IceLake, .. })));
    }

    #[rstest]
    #[case::v67("some_event", "not of the form")]
    #[case::v67("x/uncore_imc/umask=1/", "either event=… or config=…")]
    #[case::v67("/uncore_imc/event=1/", "does not begin with what can be the name")]
    #[case::v67("x/uncore_imc/config5=1,event=1/", "does not take \"config5=1\"")]
    #[case::both("x/uncore_imc/config=1,umask=1/", "either event=… or config=…")]
    #[case::both("x/uncore_imc/config=1,event=1/", "either event=… or config=…")]
    #[case("x/uncore_imc/event=100/", "does not take \"event=100\"")]
    #[case("x/uncore_imc/event=?/", "does not take \"event=?\"")]
    #[case("x/uncore_imc/event=+1/", "does not take \"event=+1\"")]
    #[case("x/uncore_imc/event=/", "does not take \"event=\"")]
    #[case("x/uncore_imc", "not of the form")]
    #[case("pmm_bandwidth_reads", "no code of")]
    fn no_events(#[case] name: &str, #[case] expected: &str) {
        let error = config(name, Skylake).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn an_own_event_keeps_its_name_and_is_a_gauge() {
        let event = UncoreEvent::named("my_reads/uncore_imc_free_running/event=ff,umask=20/", Other).unwrap();
        assert_eq!((event.metric.as_str(), event.sort.as_str()), ("my_reads", "uncore_imc_free_running"));
        assert_eq!(event.kind, MetricKind::Gauge);
    }
}
