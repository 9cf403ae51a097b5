//! One form for each value, so that what was asked for and what the kernel shows can be compared.

use super::Spot;

/// The form in which a value is compared and kept: without the white space around and between its words.
#[must_use]
pub fn canonical(_spot: &Spot, text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
