//! The columns of one tick that are needed, per second, one value per task.

use wca_guest::now;

use crate::measure::Measure;

/// What was measured of the tasks since the tick before, in the order of `now::keys()`. NaN where there is nothing.
pub(crate) struct Readings {
    /// Cycles and instructions per second.
    pub(crate) counters: Vec<(f64, f64)>,
    /// Seconds that a task waited for a processor, for memory, and by its quota, per second.
    pub(crate) cpu_wait: Vec<f64>,
    pub(crate) memory_wait: Vec<f64>,
    pub(crate) throttled: Vec<f64>,
    /// Cores.
    pub(crate) usage: Vec<f64>,
    /// Bytes of L3 cache.
    pub(crate) occupancy: Vec<f64>,
    /// Bytes per second.
    pub(crate) bandwidth: Vec<f64>,
}

/// Where the columns of `task_pressure_seconds` are that say how long some processes of a task waited.
#[derive(Default)]
pub(crate) struct Columns {
    version: Option<u64>,
    cpu: Option<usize>,
    memory: Option<usize>,
    /// Whether anybody counts cycles and instructions of tasks here.
    pub(crate) has_counters: bool,
}

impl Columns {
    /// Looks again where something has changed.
    pub(crate) fn look(&mut self) {
        let version = now::series_version();
        if self.version == Some(version) {
            return;
        }
        self.version = Some(version);
        let pressure = now::series("task_pressure_seconds");
        let of = |resource: &str| {
            let wanted = |(name, value): &(String, String), what: &str, which: &str| name == what && value == which;
            pressure.iter().position(|labels| {
                labels.iter().any(|label| wanted(label, "resource", resource))
                    && labels.iter().any(|label| wanted(label, "kind", "some"))
            })
        };
        (self.cpu, self.memory) = (of("cpu"), of("memory"));
        self.has_counters = !now::series("task_cycles").is_empty() && !now::series("task_instructions").is_empty();
    }

    /// Reads what the measures take.
    pub(crate) fn read(&self, rows: usize, measures: &[Measure]) -> Readings {
        let wanted = |measure| measures.contains(&measure);
        let absent = || vec![f64::NAN; rows];
        let mut pressure = if wanted(Measure::PsiCpu) || wanted(Measure::PsiMemory) {
            now::rates("task_pressure_seconds")
        } else {
            Vec::new()
        };
        let mut wait =
            |column: Option<usize>| column.and_then(|at| pressure.get_mut(at)).map_or_else(absent, std::mem::take);
        Readings {
            cpu_wait: wait(self.cpu),
            memory_wait: wait(self.memory),
            counters: if wanted(Measure::Cpi) { counters(rows) } else { vec![(f64::NAN, f64::NAN); rows] },
            throttled: if wanted(Measure::Throttling) {
                sums(now::rates("task_cpu_throttled_seconds"), rows)
            } else {
                absent()
            },
            usage: sums(now::rates("task_cpu_usage_seconds"), rows),
            occupancy: sums(now::values("task_llc_occupancy_bytes"), rows),
            bandwidth: sums(now::rates("task_mem_bandwidth_bytes"), rows),
        }
    }
}

/// Of each processor where they are not summed; a processor counts where it has both.
fn counters(rows: usize) -> Vec<(f64, f64)> {
    let (cycles, instructions) = (now::rates("task_cycles"), now::rates("task_instructions"));
    let sum = |row: usize| {
        let both = cycles.iter().zip(&instructions).map(|(cycles, instructions)| (cycles[row], instructions[row]));
        both.filter(|(cycles, instructions)| cycles.is_finite() && instructions.is_finite())
            .reduce(|one, other| (one.0 + other.0, one.1 + other.1))
            .unwrap_or((f64::NAN, f64::NAN))
    };
    (0..rows).map(sum).collect()
}

/// Of all columns that have a value.
fn sums(columns: Vec<Vec<f64>>, rows: usize) -> Vec<f64> {
    let sum = |row: usize| {
        let values = columns.iter().map(|column| column[row]).filter(|value| value.is_finite());
        values.reduce(|one, other| one + other).unwrap_or(f64::NAN)
    };
    (0..rows).map(sum).collect()
}
