//! What is computed from counters of tasks: rates and ratios between two readings.

use std::time::Instant;

use perf_event_open_sys::bindings::{
    PERF_COUNT_HW_CACHE_MISSES, PERF_COUNT_HW_CACHE_REFERENCES, PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS,
    PERF_TYPE_HARDWARE,
};

use crate::perf::event::Encoding;

/// The events from which something is computed, by the number that the kernel has for them (PERF_COUNT_HW_*).
pub(crate) const INPUTS: [u32; 4] =
    [PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CACHE_REFERENCES, PERF_COUNT_HW_CACHE_MISSES];

/// A metric that is computed.
pub(crate) struct Derived {
    /// Its name.
    pub name: &'static str,
    /// One sentence, without what is true of all.
    pub help: &'static str,
    /// What it needs, as positions in [`INPUTS`].
    pub needs: &'static [usize],
    /// From what was counted between two readings, in the order of [`INPUTS`], and the seconds between them.
    compute: fn(&[f64; 4], f64) -> f64,
}

/// All of them, by name.
pub(crate) static DERIVED: [Derived; 4] = [
    Derived {
        name: "task_cache_hit_ratio",
        help: "Part of the task's accesses to the last level of cache that found there what they looked for",
        needs: &[2, 3],
        // Two events that were not counted at the same moments can differ the wrong way.
        compute: |[_, _, references, misses], _| ratio((references - misses).max(0.0), *references),
    },
    Derived {
        name: "task_cache_misses_per_kilo_instructions",
        help: "Accesses that missed the last level of cache per 1,000 instructions of the task",
        needs: &[1, 3],
        compute: |[_, instructions, _, misses], _| 1_000.0 * ratio(*misses, *instructions),
    },
    Derived {
        name: "task_ipc",
        help: "Instructions per clock cycle of the task",
        needs: &[0, 1],
        compute: |[cycles, instructions, ..], _| ratio(*instructions, *cycles),
    },
    Derived {
        name: "task_ips",
        help: "Instructions of the task per second",
        needs: &[1],
        compute: |[_, instructions, ..], seconds| ratio(*instructions, seconds),
    },
];

/// NaN where there is nothing to divide by: a task that did nothing has no ratio.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}

/// Where the inputs stand among events; none: not counted.
pub(crate) fn inputs(events: &[Encoding]) -> [Option<usize>; 4] {
    INPUTS.map(|input| {
        events.iter().position(|event| event.kind == PERF_TYPE_HARDWARE && event.config == u64::from(input))
    })
}

/// The last reading of the inputs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before(Option<(Instant, [f64; 4])>);

impl Before {
    /// Forgets it: what comes next is not to be compared with it.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    /// The values of [`DERIVED`] between the last reading and this one; NaN where one of them lacks an input. A reading in
    /// which an input is absent that was there before is passed over: the next one reaches back beyond it.
    pub(crate) fn step(&mut self, now: Instant, totals: [f64; 4]) -> [f64; 4] {
        let is_lost = |old: &[f64; 4]| (0..4).any(|at| totals[at].is_nan() && !old[at].is_nan());
        if self.0.as_ref().is_some_and(|(_, old)| is_lost(old)) {
            return [f64::NAN; 4];
        }
        let Some((before, old)) = self.0.replace((now, totals)) else { return [f64::NAN; 4] };
        let counted = std::array::from_fn(|at| totals[at] - old[at]);
        let seconds = now.duration_since(before).as_secs_f64();
        std::array::from_fn(|at| (DERIVED[at].compute)(&counted, seconds))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::perf::event::Event;
    use crate::perf::microarchitecture::Microarchitecture::Other;

    const NAN: f64 = f64::NAN;

    /// Values as none where they are NaN, so that they can be compared.
    fn step(counted: [f64; 4], milliseconds: u64) -> [Option<f64>; 4] {
        let start = Instant::now();
        let mut before = Before::default();
        let start_of = |at: usize| if counted[at].is_nan() { NAN } else { [7e9, 5e9, 3e6, 1e6][at] };
        let at_first = std::array::from_fn(start_of);
        assert!(before.step(start, at_first).iter().all(|value| value.is_nan()));
        let totals = std::array::from_fn(|at| at_first[at] + counted[at]);
        let values = before.step(start + Duration::from_millis(milliseconds), totals);
        values.map(|value| (!value.is_nan()).then_some(value))
    }

    #[rstest]
    // Hit ratio, misses per 1,000 instructions, instructions per cycle, instructions per second.
    #[case::busy([2e9, 3e9, 1e6, 250_000.0], 500, [Some(0.75), Some(250_000.0 / 3e6), Some(1.5), Some(6e9)])]
    #[case::idle([0.0; 4], 500, [None, None, None, Some(0.0)])]
    #[case::without_caches([2e9, 3e9, NAN, NAN], 1_000, [None, None, Some(1.5), Some(3e9)])]
    #[case::at_once([2e9, 3e9, 0.0, 0.0], 0, [None, Some(0.0), Some(1.5), None])]
    #[case::more_misses_than_accesses([0.0, 1_000.0, 10.0, 12.0], 1_000, [Some(0.0), Some(12.0), None, Some(1_000.0)])]
    fn between_two_readings(#[case] counted: [f64; 4], #[case] milliseconds: u64, #[case] expected: [Option<f64>; 4]) {
        assert_eq!(step(counted, milliseconds), expected);
    }

    #[test]
    fn what_was_forgotten_is_not_compared_with() {
        let start = Instant::now();
        let mut before = Before::default();
        before.step(start, [1.0; 4]);
        before.forget();
        assert!(before.step(start + Duration::from_secs(1), [2.0; 4]).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn a_reading_without_an_input_is_passed_over() {
        let start = Instant::now();
        let mut before = Before::default();
        before.step(start, [0.0, 0.0, NAN, NAN]);
        let passed = before.step(start + Duration::from_secs(1), [NAN, NAN, NAN, NAN]);
        assert!(passed.iter().all(|value| value.is_nan()));
        let [_, _, ipc, ips] = before.step(start + Duration::from_secs(2), [4e9, 2e9, NAN, NAN]);
        assert_eq!((ipc, ips), (0.5, 1e9));
    }

    #[test]
    fn inputs_are_found_among_events() {
        let encodings = ["page_faults", "instructions", "x__r0003", "cache_misses"]
            .map(|name| Event::named(name, Other).unwrap().encoding);
        assert_eq!(inputs(&encodings), [None, Some(1), None, Some(3)]);
    }

    #[test]
    fn names_are_in_order() {
        assert!(DERIVED.iter().is_sorted_by(|one, other| one.name < other.name));
    }
}
