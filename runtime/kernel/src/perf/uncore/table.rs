//! The events outside of cores that have a name here.

use wca_model::MetricKind::{self, Counter, Gauge};

use crate::perf::microarchitecture::Microarchitecture::{self, CascadeLake, CooperLake, Skylake};

/// An event with a name.
pub(crate) struct NamedUncore {
    /// Name of the metric, which in a configuration may be without `platform_`.
    pub name: &'static str,
    /// What is counted, for the reader of a dashboard.
    pub help: &'static str,
    /// How its values behave, as dashboards of the predecessor have it.
    pub kind: MetricKind,
    /// Of which sort of PMU it is.
    pub sort: &'static str,
    /// What the kernel calls it, where it has a name for it: then its numbers are right on every processor.
    pub kernel: Option<&'static str>,
    /// What it is where the kernel has no name for it, on these microarchitectures.
    pub terms: &'static str,
    /// Where that is so.
    pub cpus: &'static [Microarchitecture],
}

const IMC: &str = "uncore_imc";
const UPI: &str = "uncore_upi";
const SINCE_SKYLAKE: &[Microarchitecture] = &[Skylake, CascadeLake, CooperLake];
/// Those that can have persistent memory.
const SINCE_CASCADE_LAKE: &[Microarchitecture] = &[CascadeLake, CooperLake];

/// All of them.
///
/// Source of the numbers: the files uncore-memory.json and uncore-interconnect.json of skylakex and cascadelakex below
/// <https://github.com/torvalds/linux/tree/master/tools/perf/pmu-events/arch/x86>.
pub(crate) static UNCORE: &[NamedUncore] = &[
    NamedUncore {
        name: "platform_cas_count_reads",
        help: "Reads of DRAM, 64 bytes each",
        kind: Counter,
        sort: IMC,
        kernel: Some("cas_count_read"),
        terms: "event=04,umask=03",
        cpus: SINCE_SKYLAKE,
    },
    NamedUncore {
        name: "platform_cas_count_writes",
        help: "Writes of DRAM, 64 bytes each",
        kind: Counter,
        sort: IMC,
        kernel: Some("cas_count_write"),
        terms: "event=04,umask=0c",
        cpus: SINCE_SKYLAKE,
    },
    NamedUncore {
        name: "platform_imc_clockticks",
        help: "Clock cycles of the memory controller",
        kind: Counter,
        sort: IMC,
        kernel: Some("clockticks"),
        terms: "event=00",
        cpus: SINCE_SKYLAKE,
    },
    NamedUncore {
        name: "platform_pmm_bandwidth_reads",
        help: "Reads of persistent memory, 64 bytes each",
        kind: Counter,
        sort: IMC,
        kernel: None,
        terms: "event=e3",
        cpus: SINCE_CASCADE_LAKE,
    },
    NamedUncore {
        name: "platform_pmm_bandwidth_writes",
        help: "Writes of persistent memory, 64 bytes each",
        kind: Counter,
        sort: IMC,
        kernel: None,
        terms: "event=e7",
        cpus: SINCE_CASCADE_LAKE,
    },
    NamedUncore {
        name: "platform_rpq_inserts",
        help: "Reads that came into the queue of the memory controller, since counting began",
        kind: Gauge,
        sort: IMC,
        kernel: None,
        terms: "event=10",
        cpus: SINCE_SKYLAKE,
    },
    NamedUncore {
        name: "platform_rpq_occupancy",
        help: "Reads in the queue of the memory controller, added up in every cycle since counting began",
        kind: Gauge,
        sort: IMC,
        kernel: None,
        terms: "event=80",
        cpus: SINCE_SKYLAKE,
    },
    NamedUncore {
        name: "platform_upi_rxl_flits",
        help: "Flits that came over a link from another socket",
        kind: Counter,
        sort: UPI,
        kernel: None,
        terms: "event=03,umask=0f",
        cpus: SINCE_SKYLAKE,
    },
    NamedUncore {
        name: "platform_upi_txl_flits",
        help: "Flits that went over a link to another socket",
        kind: Counter,
        sort: UPI,
        kernel: None,
        terms: "event=02,umask=0f",
        cpus: SINCE_SKYLAKE,
    },
];

/// The groups that are counted where nothing else is said: what belongs together fits the four counters of a controller.
pub(crate) const GROUPS: [&[&str]; 3] = [
    &[
        "platform_cas_count_reads",
        "platform_cas_count_writes",
        "platform_pmm_bandwidth_reads",
        "platform_pmm_bandwidth_writes",
    ],
    &["platform_imc_clockticks", "platform_rpq_occupancy", "platform_rpq_inserts"],
    &["platform_upi_rxl_flits", "platform_upi_txl_flits"],
];
