//! One metric of a task that is several cgroups.

use crate::metrics::Join;

/// The sum of one metric over the cgroups of a task, or the greatest of them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    value: Option<f64>,
    /// Whether a cgroup has it that could not be read.
    broken: bool,
}

impl Sum {
    /// Adds what one cgroup has; a sum grows to `limit` and no further.
    pub(crate) fn add(&mut self, value: f64, join: Join, limit: f64) {
        self.value = Some(match (self.value, join) {
            (None, _) => value.min(limit),
            (Some(before), Join::Sum) => (before + value).min(limit),
            (Some(before), Join::Greatest) => before.max(value),
        });
    }

    /// The one thing that is to be said.
    pub(crate) fn set(&mut self, value: f64) {
        *self = Self { value: Some(value), broken: false };
    }

    /// The sum of what the cgroups have; NaN where none has it, or one has it and could not be read.
    pub(crate) fn value(self) -> f64 {
        self.value.filter(|_| !self.broken).unwrap_or(f64::NAN)
    }

    /// Another sum less this one, and never below 0: the two were not read at the same moment.
    pub(crate) fn take_off(&mut self, other: Sum) {
        let difference = other.value() - self.value();
        // Not what f64::max does with NaN.
        self.set(if difference < 0.0 { 0.0 } else { difference });
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
            values.iter().for_each(|value| sum.add(*value, Join::Sum, greatest));
            sum
        };
        assert!(sum(&[], f64::INFINITY).value().is_nan());
        assert_eq!(sum(&[1.0, 2.5], f64::INFINITY).value().to_bits(), 3.5f64.to_bits());
        assert_eq!(sum(&[1.0, 2.5], 3.0).value().to_bits(), 3.0f64.to_bits(), "no more than the greatest");
        let mut broken = sum(&[1.0], f64::INFINITY);
        broken.spoil();
        assert!(broken.value().is_nan());
        let mut less = sum(&[1.0], f64::INFINITY);
        less.take_off(broken);
        assert!(less.value().is_nan());
        broken.set(1.0);
        assert_eq!(broken.value().to_bits(), 1.0f64.to_bits());
    }

    #[test]
    fn what_does_not_add_up_is_the_greatest() {
        let mut greatest = Sum::default();
        for value in [1.0, 2.5, 2.0] {
            greatest.add(value, Join::Greatest, f64::INFINITY);
        }
        assert_eq!(greatest.value().to_bits(), 2.5f64.to_bits());
        greatest.spoil();
        assert!(greatest.value().is_nan(), "the one that could not be read may be the greatest");
    }

    #[test]
    fn a_difference_is_known_where_both_are_and_not_negative() {
        let of = |value: f64| {
            let mut sum = Sum::default();
            if !value.is_nan() {
                sum.add(value, Join::Sum, f64::INFINITY);
            }
            sum
        };
        let cases = [(5.0, 3.0, Some(2.0)), (3.0, 5.0, Some(0.0)), (f64::NAN, 5.0, None), (5.0, f64::NAN, None)];
        for (minuend, subtrahend, expected) in cases {
            let mut sum = of(subtrahend);
            sum.take_off(of(minuend));
            let found = sum.value();
            assert_eq!((!found.is_nan()).then_some(found), expected);
        }
    }
}
