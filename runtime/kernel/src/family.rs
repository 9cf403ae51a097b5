//! What is read in another way than line by line from the files of a cgroup or of the machine.

use wca_model::MetricInfo;

use crate::limits::Allowance;
use crate::{Notice, Said, TaskCgroups, Wanted};

/// Metrics that are read together in a way of their own: of tasks, of the machine, or of both.
pub(crate) trait Family: Send {
    /// What it measures now, in the order of its values: all series of a metric together.
    fn metrics(&self) -> Vec<FamilyMetric>;

    /// The tasks are these from now on, one row each.
    fn set_tasks(&mut self, tasks: &[TaskCgroups]);

    /// How many of `left` descriptors it keeps open, or is going to with the tasks that it has; at most `left`.
    fn descriptors(&self, left: usize) -> usize {
        let _ = left;
        0
    }

    /// Takes over what is wanted now, as far as that can be changed while it goes on.
    fn tune(&mut self, wanted: &Wanted) {
        let _ = wanted;
    }

    /// The machine is another one than before, by its processors, its nodes or what is mounted; true where the series are not
    /// those of the last time.
    fn machine_changed(&mut self) -> bool {
        false
    }

    /// Reads the values of this moment; true where the series are not those of the last time.
    fn read(&mut self, moment: &mut Moment<'_>) -> bool;

    /// Values of tasks, column by column: one value per row for each series of a metric of tasks. NaN: absent.
    fn columns(&self) -> &[f64];

    /// Values of the machine, one per series. NaN: absent.
    fn platform(&self) -> &[f64];

    /// Bytes of memory traffic of each task so far, NaN where that is not known; empty where the family does not measure it.
    fn traffic(&self) -> &[f64] {
        &[]
    }
}

/// A metric of a family.
pub(crate) struct FamilyMetric {
    /// What it is.
    pub info: MetricInfo,
    /// Values of its levels, for each of its series.
    pub series: Vec<Vec<String>>,
}

/// What a reading takes.
pub(crate) struct Moment<'a> {
    /// Room for the content of one file, to be reused.
    pub buffer: &'a mut Vec<u8>,
    /// What the families before this one have found at [`Family::traffic`]; empty where none measures it.
    pub traffic: &'a [f64],
    /// How many descriptors it may have open.
    pub allowance: Allowance,
    /// What has been said already.
    pub said: &'a mut Said,
    /// What is to be said.
    pub notices: &'a mut Vec<Notice>,
}
