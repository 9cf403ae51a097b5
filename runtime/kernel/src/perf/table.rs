//! The events that have a name here, and what they are on each microarchitecture.

use perf_event_open_sys::bindings::{
    PERF_COUNT_HW_CACHE_MISSES, PERF_COUNT_HW_CACHE_REFERENCES, PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS,
    PERF_COUNT_SW_ALIGNMENT_FAULTS, PERF_COUNT_SW_CGROUP_SWITCHES, PERF_COUNT_SW_CONTEXT_SWITCHES,
    PERF_COUNT_SW_CPU_MIGRATIONS, PERF_COUNT_SW_EMULATION_FAULTS, PERF_COUNT_SW_PAGE_FAULTS,
    PERF_COUNT_SW_PAGE_FAULTS_MAJ, PERF_COUNT_SW_PAGE_FAULTS_MIN,
};

use crate::perf::microarchitecture::Microarchitecture::{self, Broadwell, CascadeLake, CooperLake, IceLake, Skylake};

/// An event with a name.
pub(crate) struct NamedEvent {
    /// The name, which in a configuration may have `-` for `_` and `task_` before it.
    pub name: &'static str,
    /// What is counted, for the reader of a dashboard.
    pub help: &'static str,
    /// What it is to the kernel.
    pub code: Code,
}

/// What an event is to the kernel.
pub(crate) enum Code {
    /// An event that the kernel knows on every processor (PERF_TYPE_HARDWARE).
    Generic(u32),
    /// An event of the kernel itself (PERF_TYPE_SOFTWARE).
    Software(u32),
    /// Numbers of the processor (PERF_TYPE_RAW), by microarchitecture.
    Raw(&'static [(&'static [Microarchitecture], RawCode)]),
}

/// Event, unit mask and counter mask of an event of an x86 processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawCode {
    pub event: u8,
    pub umask: u8,
    pub cmask: u8,
}

impl RawCode {
    const fn new(event: u8, umask: u8, cmask: u8) -> Self {
        Self { event, umask, cmask }
    }

    /// `config` of `perf_event_attr`: bits 0 to 7, 8 to 15 and 24 to 31
    /// (/sys/bus/event_source/devices/cpu/format/{event,umask,cmask} of x86).
    pub(crate) const fn config(self) -> u64 {
        self.event as u64 | (self.umask as u64) << 8 | (self.cmask as u64) << 24
    }
}

const fn event(name: &'static str, help: &'static str, code: Code) -> NamedEvent {
    NamedEvent { name, help, code }
}

const SINCE_SKYLAKE: &[Microarchitecture] = &[Skylake, CascadeLake, CooperLake];

/// Another name that an event had in older configurations.
pub(crate) const ALIASES: &[(&str, &str)] = &[("memstalls", "stalled_mem_loads")];

/// All of them.
///
/// Raw codes: Intel's event lists, as they stand in the kernel's tree under
/// <https://github.com/torvalds/linux/tree/master/tools/perf/pmu-events/arch/x86>, folders broadwellx, skylakex,
/// cascadelakex and icelakex. Generic and software events: perf_event_open(2).
pub(crate) static EVENTS: &[NamedEvent] = &[
    event("instructions", "Instructions that the task retired", Code::Generic(PERF_COUNT_HW_INSTRUCTIONS)),
    event("cycles", "Clock cycles that cores spent on the task", Code::Generic(PERF_COUNT_HW_CPU_CYCLES)),
    event(
        "cache_misses",
        "Accesses of the task that missed the last level of cache",
        Code::Generic(PERF_COUNT_HW_CACHE_MISSES),
    ),
    event(
        "cache_references",
        "Accesses of the task to the last level of cache",
        Code::Generic(PERF_COUNT_HW_CACHE_REFERENCES),
    ),
    // CYCLE_ACTIVITY.STALLS_MEM_ANY; on Broadwell CYCLE_ACTIVITY.STALLS_LDM_PENDING.
    event(
        "stalled_mem_loads",
        "Cycles in which the task stood still while a load was outstanding",
        Code::Raw(&[
            (&[Skylake, CascadeLake, CooperLake, IceLake], RawCode::new(0xa3, 0x14, 20)),
            (&[Broadwell], RawCode::new(0xa3, 0x06, 6)),
        ]),
    ),
    // OFFCORE_REQUESTS.L3_MISS_DEMAND_DATA_RD.
    event(
        "offcore_requests_l3_miss_demand_data_rd",
        "Demand data reads of the task that missed the L3 cache",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xb0, 0x10, 0))]),
    ),
    // OFFCORE_REQUESTS.DEMAND_DATA_RD.
    event(
        "offcore_requests_demand_data_rd",
        "Demand data reads of the task that left the core",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xb0, 0x01, 0))]),
    ),
    // OFFCORE_REQUESTS.DEMAND_RFO.
    event(
        "offcore_requests_demand_rfo",
        "Demand reads for ownership of the task that left the core",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xb0, 0x04, 0))]),
    ),
    // OFFCORE_REQUESTS_OUTSTANDING.L3_MISS_DEMAND_DATA_RD.
    event(
        "offcore_requests_outstanding_l3_miss_demand_data_rd",
        "Demand data reads of the task that missed the L3 cache and are outstanding, added up in every cycle",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0x60, 0x10, 0))]),
    ),
    // MEM_LOAD_RETIRED.LOCAL_PMM.
    event(
        "mem_load_retired_local_pmm",
        "Retired loads of the task that persistent memory of the same socket served",
        Code::Raw(&[(&[CascadeLake, CooperLake], RawCode::new(0xd1, 0x80, 0))]),
    ),
    // MEM_LOAD_L3_MISS_RETIRED.LOCAL_DRAM.
    event(
        "mem_load_retired_local_dram",
        "Retired loads of the task that missed the L3 cache and that memory of the same socket served",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xd3, 0x01, 0))]),
    ),
    // MEM_LOAD_L3_MISS_RETIRED.REMOTE_DRAM.
    event(
        "mem_load_retired_remote_dram",
        "Retired loads of the task that missed the L3 cache and that memory of another socket served",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xd3, 0x02, 0))]),
    ),
    // MEM_INST_RETIRED.ALL_LOADS.
    event(
        "mem_inst_retired_loads",
        "Retired load instructions of the task",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xd0, 0x81, 0))]),
    ),
    // MEM_INST_RETIRED.ALL_STORES.
    event(
        "mem_inst_retired_stores",
        "Retired store instructions of the task",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0xd0, 0x82, 0))]),
    ),
    // DTLB_LOAD_MISSES.WALK_COMPLETED.
    event(
        "dtlb_load_misses",
        "Page walks that loads of the task caused, for pages of any size",
        Code::Raw(&[(SINCE_SKYLAKE, RawCode::new(0x08, 0x0e, 0))]),
    ),
    event(
        "context_switches",
        "How often a processor went from a thread of the task to another one",
        Code::Software(PERF_COUNT_SW_CONTEXT_SWITCHES),
    ),
    event(
        "cgroup_switches",
        "How often a processor went from the task to another cgroup",
        Code::Software(PERF_COUNT_SW_CGROUP_SWITCHES),
    ),
    event(
        "cpu_migrations",
        "How often a thread of the task went to another processor",
        Code::Software(PERF_COUNT_SW_CPU_MIGRATIONS),
    ),
    event("page_faults", "Page faults of the task", Code::Software(PERF_COUNT_SW_PAGE_FAULTS)),
    event("minor_faults", "Page faults of the task that needed no disk", Code::Software(PERF_COUNT_SW_PAGE_FAULTS_MIN)),
    event("major_faults", "Page faults of the task that needed a disk", Code::Software(PERF_COUNT_SW_PAGE_FAULTS_MAJ)),
    event(
        "alignment_faults",
        "Unaligned accesses of the task that the kernel had to mend",
        Code::Software(PERF_COUNT_SW_ALIGNMENT_FAULTS),
    ),
    event(
        "emulation_faults",
        "Instructions of the task that the kernel had to emulate",
        Code::Software(PERF_COUNT_SW_EMULATION_FAULTS),
    ),
];
