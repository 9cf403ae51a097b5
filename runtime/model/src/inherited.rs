//! Counters that have their names from the Python agent, whose users know them as counters.

/// Their names, sorted; `cpu_usage_per_cpu` is the first name of `platform_cpu_usage` (`metric_names: original`). Those of raw
/// events, which an operator names, end in `__r` and digits.
pub const COUNTERS: [&str; 51] = [
    "allocations_count",
    "allocations_errors",
    "anomaly",
    "anomaly_count",
    "anomaly_last_occurrence",
    "cpu_usage_per_cpu",
    "platform_cas_count_reads",
    "platform_cas_count_writes",
    "platform_cpu_usage",
    "platform_imc_clockticks",
    "platform_last_seen",
    "platform_node_vmstat",
    "platform_pmm_bandwidth_reads",
    "platform_pmm_bandwidth_writes",
    "platform_upi_rxl_flits",
    "platform_upi_txl_flits",
    "platform_vmstat",
    "platform_vmstat_numa_hint_faults",
    "platform_vmstat_numa_hint_faults_local",
    "platform_vmstat_numa_pages_migrated",
    "platform_vmstat_pgfaults",
    "platform_vmstat_pgmigrate_fail",
    "platform_vmstat_pgmigrate_success",
    "task_cache_misses",
    "task_cache_references",
    "task_cpu_usage_seconds",
    "task_cycles",
    "task_dtlb_load_misses",
    "task_instructions",
    "task_last_seen",
    "task_mem_bandwidth_bytes",
    "task_mem_bandwidth_local_bytes",
    "task_mem_bandwidth_remote_bytes",
    "task_mem_inst_retired_loads",
    "task_mem_inst_retired_stores",
    "task_mem_load_retired_local_dram",
    "task_mem_load_retired_local_pmm",
    "task_mem_load_retired_remote_dram",
    "task_mem_page_faults",
    "task_offcore_requests_demand_data_rd",
    "task_offcore_requests_demand_rfo",
    "task_offcore_requests_l3_miss_demand_data_rd",
    "task_offcore_requests_outstanding_l3_miss_demand_data_rd",
    "task_sched_stat",
    "task_sched_stat_numa_faults",
    "task_stalled_mem_loads",
    "task_up",
    "task_wss_measure_overhead_seconds",
    "wca_error_count",
    "wca_up",
    "wca_warning_count",
];

/// Lengths that the digits of a raw event can have, as `EEUU`, `EEUUCC` and `EEUUCC` with ten of `config1`.
const DIGITS: [usize; 3] = [4, 6, 16];

/// Whether the Python agent had a counter of this name.
#[must_use]
pub fn is_counter(name: &str) -> bool {
    COUNTERS.binary_search(&name).is_ok() || is_raw_event(name)
}

/// Whether a metric of this name is a raw event of a task, as `NAME__rEEUU`.
fn is_raw_event(name: &str) -> bool {
    name.rsplit_once("__r").is_some_and(|(_, digits)| {
        DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn names_are_sorted_and_none_says_that_it_is_a_counter() {
        assert!(COUNTERS.is_sorted_by(|one, next| one < next));
        assert!(COUNTERS.iter().all(|name| !name.ends_with("_total")));
    }

    #[rstest]
    #[case("task_up", true)]
    #[case("task_u", false)]
    #[case("task_pressure_seconds", false)]
    #[case("walks__r0e08", true)]
    #[case("walks__r0E0814", true)]
    #[case("walks__r0e08140000000000", true)]
    #[case("walks__r0e0", false)]
    #[case("walks__r0e0g", false)]
    #[case("walks_r0e08", false)]
    fn who_has_had_it(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_counter(name), expected);
    }
}
