//! One metric of a task that is several cgroups.

/// The sum of one metric over the cgroups of a task.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    value: Option<f64>,
    /// Whether a cgroup has it that could not be read.
    broken: bool,
}

impl Sum {
    /// Adds what one cgroup has; the sum grows to `greatest` and no further.
    pub(crate) fn add(&mut self, value: f64, greatest: f64) {
        self.value = Some((self.value.unwrap_or(0.0) + value).min(greatest));
    }

    /// The one thing that is to be said.
    pub(crate) fn set(&mut self, value: f64) {
        *self = Self { value: Some(value), broken: false };
    }

    /// The sum of what the cgroups have; NaN where none has it, or one has it and could not be read.
    pub(crate) fn value(self) -> f64 {
        self.value.filter(|_| !self.broken).unwrap_or(f64::NAN)
    }

    /// One of the cgroups has it, and it could not be read.
    pub(crate) fn spoil(&mut self) {
        self.broken = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_of_those_that_have_it() {
        let sum = |values: &[f64], greatest| {
            let mut sum = Sum::default();
            values.iter().for_each(|value| sum.add(*value, greatest));
            sum
        };
        assert!(sum(&[], f64::INFINITY).value().is_nan());
        assert_eq!(sum(&[1.0, 2.5], f64::INFINITY).value().to_bits(), 3.5f64.to_bits());
        assert_eq!(sum(&[1.0, 2.5], 3.0).value().to_bits(), 3.0f64.to_bits(), "no more than the greatest");
        let mut broken = sum(&[1.0], f64::INFINITY);
        broken.spoil();
        assert!(broken.value().is_nan());
        broken.set(1.0);
        assert_eq!(broken.value().to_bits(), 1.0f64.to_bits());
    }
}
