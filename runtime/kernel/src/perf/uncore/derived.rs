//! What is computed from counters outside of cores: bandwidths, a ratio and a latency between two readings.

use std::time::Instant;

use crate::perf::derived::ratio;

/// The events from which something is computed.
pub(crate) const INPUTS: [&str; 9] = [
    "platform_cas_count_reads",
    "platform_cas_count_writes",
    "platform_pmm_bandwidth_reads",
    "platform_pmm_bandwidth_writes",
    "platform_upi_rxl_flits",
    "platform_upi_txl_flits",
    "platform_imc_clockticks",
    "platform_rpq_occupancy",
    "platform_rpq_inserts",
];

/// Counts per second, in the order of [`INPUTS`]; NaN where it is not known.
pub(crate) type PerSecond = [f64; 9];

/// Bytes of one access to memory.
const LINE: f64 = 64.0;

/// Bytes of data that a flit carries: a cache line takes nine (eight of data and one header).
const FLIT: f64 = LINE / 9.0;

/// A metric that is computed for each PMU.
pub(crate) struct Derived {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it needs, as positions in [`INPUTS`].
    pub needs: &'static [usize],
    /// From counts per second.
    pub compute: fn(&PerSecond) -> f64,
}

const fn bytes(
    name: &'static str,
    help: &'static str,
    needs: &'static [usize],
    compute: fn(&PerSecond) -> f64,
) -> Derived {
    Derived { name, help, unit: "bytes_per_second", needs, compute }
}

/// All of them, by name.
pub(crate) static DERIVED: [Derived; 8] = [
    Derived {
        name: "platform_dram_hit_ratio",
        help: "Part of the traffic to memory that DRAM served, persistent memory the rest, since the last reading.",
        unit: "numeric",
        needs: &[0, 1, 2, 3],
        compute: |[reads, writes, pmm_reads, pmm_writes, ..]| {
            ratio(reads + writes, reads + writes + pmm_reads + pmm_writes)
        },
    },
    bytes(
        "platform_dram_reads_bytes_per_second",
        "Bytes read from DRAM per second, since the last reading.",
        &[0],
        |rates| rates[0] * LINE,
    ),
    bytes(
        "platform_dram_total_bytes_per_second",
        "Bytes read from DRAM and written to it per second, since the last reading.",
        &[0, 1],
        |rates| (rates[0] + rates[1]) * LINE,
    ),
    bytes(
        "platform_dram_writes_bytes_per_second",
        "Bytes written to DRAM per second, since the last reading.",
        &[1],
        |rates| rates[1] * LINE,
    ),
    bytes(
        "platform_pmm_reads_bytes_per_second",
        "Bytes read from persistent memory per second, since the last reading.",
        &[2],
        |rates| rates[2] * LINE,
    ),
    bytes(
        "platform_pmm_total_bytes_per_second",
        "Bytes read from persistent memory and written to it per second, since the last reading.",
        &[2, 3],
        |rates| (rates[2] + rates[3]) * LINE,
    ),
    bytes(
        "platform_pmm_writes_bytes_per_second",
        "Bytes written to persistent memory per second, since the last reading.",
        &[3],
        |rates| rates[3] * LINE,
    ),
    bytes(
        "platform_upi_bandwidth_bytes_per_second",
        "Bytes over the links to other sockets, both ways per second, since the last reading.",
        &[4, 5],
        |rates| (rates[4] + rates[5]) * FLIT,
    ),
];

/// Name of the latency, which is computed for each socket.
pub(crate) const LATENCY: &str = "platform_rpq_read_latency_seconds";

/// Help of the latency.
pub(crate) const LATENCY_HELP: &str =
    "Seconds that a read waited in the queue of a memory controller on average, since the last reading.";

/// What the latency needs, as positions in [`INPUTS`].
pub(crate) const LATENCY_NEEDS: [usize; 3] = [6, 7, 8];

/// Seconds that a read waits in the queue of a memory controller, over all controllers of a socket: by Little's law the
/// mean number of reads in the queue for each that comes, in cycles of a controller. Rates are sums over so many controllers,
/// one on each die.
pub(crate) fn latency<'a>(controllers: impl Iterator<Item = (&'a PerSecond, usize)>) -> f64 {
    let (mut ticks, mut occupancy, mut inserts, mut count) = (0.0, 0.0, 0.0, 0);
    for (rates, dies) in controllers {
        ticks += rates[LATENCY_NEEDS[0]];
        occupancy += rates[LATENCY_NEEDS[1]];
        inserts += rates[LATENCY_NEEDS[2]];
        count += dies;
    }
    ratio(ratio(occupancy, inserts), ratio(ticks, count as f64))
}

/// The last totals of the inputs, and when each was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before([Option<(Instant, f64)>; 9]);

impl Before {
    /// Counts per second since the last reading in which each input was there; none where it counts anew.
    pub(crate) fn step(&mut self, now: Instant, totals: [f64; 9]) -> PerSecond {
        std::array::from_fn(|at| {
            if totals[at].is_nan() {
                return f64::NAN;
            }
            let Some((then, total)) = self.0[at].replace((now, totals[at])) else { return f64::NAN };
            let counted = totals[at] - total;
            if counted < 0.0 { f64::NAN } else { ratio(counted, now.duration_since(then).as_secs_f64()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;

    const NAN: f64 = f64::NAN;
    const NONE: PerSecond = [NAN; 9];

    fn of(name: &str) -> &'static Derived {
        DERIVED.iter().find(|derived| derived.name == name).unwrap()
    }

    #[rstest]
    #[case("platform_dram_reads_bytes_per_second", &[1e6], 64e6)]
    #[case("platform_dram_writes_bytes_per_second", &[NAN, 2e6], 128e6)]
    #[case("platform_dram_total_bytes_per_second", &[1e6, 2e6], 192e6)]
    #[case("platform_pmm_reads_bytes_per_second", &[NAN, NAN, 1e6], 64e6)]
    #[case("platform_pmm_writes_bytes_per_second", &[NAN, NAN, NAN, 1e6], 64e6)]
    #[case("platform_pmm_total_bytes_per_second", &[NAN, NAN, 1e6, 1e6], 128e6)]
    #[case("platform_dram_hit_ratio", &[2e6, 1e6, 5e5, 5e5], 0.75)]
    #[case::no_traffic("platform_dram_hit_ratio", &[0.0, 0.0, 0.0, 0.0], NAN)]
    #[case::no_persistent_memory_known("platform_dram_hit_ratio", &[2e6, 1e6], NAN)]
    #[case("platform_upi_bandwidth_bytes_per_second", &[NAN, NAN, NAN, NAN, 9e6, 18e6], 192e6)]
    fn metrics(#[case] name: &str, #[case] given: &[f64], #[case] expected: f64) {
        let mut rates = NONE;
        rates[..given.len()].copy_from_slice(given);
        let found = (of(name).compute)(&rates);
        assert!(found == expected || found.is_nan() && expected.is_nan(), "{found}");
        assert!(of(name).needs.iter().all(|need| *need < INPUTS.len()));
    }

    #[test]
    fn names_are_in_order() {
        assert!(DERIVED.iter().is_sorted_by(|one, other| one.name < other.name));
    }

    #[test]
    fn a_read_waits_for_cycles_of_one_controller() {
        let controllers = |ticks, occupancy, inserts| {
            let mut rates = NONE;
            rates[6..].copy_from_slice(&[ticks, occupancy, inserts]);
            rates
        };
        let controller = |occupancy, inserts| controllers(1.4e9, occupancy, inserts);
        // 140 cycles at 1.4 GHz are 100 ns, however many controllers there are.
        let found = latency([(&controller(140e6, 1e6), 1), (&controller(280e6, 2e6), 1)].into_iter());
        assert!((found - 100e-9).abs() < 1e-15, "{found}");
        let found = latency([(&controllers(2.8e9, 420e6, 3e6), 2), (&controllers(2.8e9, 140e6, 1e6), 2)].into_iter());
        assert!((found - 100e-9).abs() < 1e-15, "two dies count as many cycles as two controllers: {found}");
        assert!(latency([(&controller(0.0, 0.0), 1)].into_iter()).is_nan(), "nothing was read");
        assert!(latency([(&NONE, 1)].into_iter()).is_nan() && latency([].into_iter()).is_nan());
    }

    #[test]
    fn rates_are_of_the_time_since_an_input_was_last_there() {
        let start = Instant::now();
        let mut before = Before::default();
        let mut totals = NONE;
        totals[0] = 100.0;
        assert!(before.step(start, totals)[0].is_nan());
        assert!(before.step(start + Duration::from_secs(1), NONE)[0].is_nan());
        totals[0] = 400.0;
        totals[1] = 1.0;
        let rates = before.step(start + Duration::from_secs(3), totals);
        assert_eq!(rates[0], 100.0);
        assert!(rates[1].is_nan());
        totals[0] = 50.0;
        assert!(before.step(start + Duration::from_secs(4), totals)[0].is_nan(), "it counts anew");
        totals[0] = 60.0;
        assert_eq!(before.step(start + Duration::from_secs(5), totals)[0], 10.0);
    }
}
