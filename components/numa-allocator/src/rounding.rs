//! Rounding as Python does it: to the nearest decimal of the exact binary value, of two as near to the even one
//! (<https://docs.python.org/3/library/functions.html#round>).

/// `round(value, digits)`.
pub(crate) fn to_digits(value: f64, digits: usize) -> f64 {
    // Formatting rounds by the exact binary value, and of two as near takes the even digit.
    format!("{value:.digits$}").parse().unwrap_or(value)
}

/// `round(value)`.
pub(crate) fn to_whole(value: f64) -> f64 {
    value.round_ties_even()
}
