//! What was taken out of a file of a cgroup.

use crate::cgroup::plan::PlannedFile;
use crate::cgroup::sum::Sum;

/// One value of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Value {
    /// Of which of the file's outputs it is.
    pub output: usize,
    /// Into which column it goes.
    pub column: usize,
    pub value: f64,
}

/// What was taken out of a file.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub values: Vec<Value>,
    /// The parts that were found, as bits.
    pub parts: u64,
    /// The parts whose line was missing, as bits.
    pub without_line: u64,
}

impl Taken {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        (self.parts, self.without_line) = (0, 0);
    }

    /// Becomes the same, in the memory that it has.
    pub(crate) fn take_over(&mut self, other: &Self) {
        self.values.clone_from(&other.values);
        (self.parts, self.without_line) = (other.parts, other.without_line);
    }

    /// Adds the values to the sums, one per column.
    pub(crate) fn add_to(&self, sums: &mut [Sum], file: &PlannedFile) {
        for Value { output, column, value } in &self.values {
            let output = &file.outputs[*output];
            sums[*column].add(*value, output.join, output.read.greatest_sum());
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.parts, self.without_line) == (other.parts, other.without_line) && self.values == other.values
    }
}
