//! Bytes, durations and counts as people write them.

use std::time::Duration;

/// The text is no quantity of the wanted sort.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {wanted}")]
pub struct QuantityError {
    text: String,
    wanted: &'static str,
}

/// Bytes: `64Mi`, `1Gi`, `512Ki`, `10M`, `4096`.
///
/// # Errors
/// [`QuantityError`] names the forms that are right.
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    const UNITS: [(&str, u64); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("K", 1_000),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
    ];
    let wrong = || QuantityError { text: text.into(), wanted: "number of bytes (such as 64Mi, 512Ki, 1G or 4096)" };
    let (digits, unit) =
        UNITS.iter().find_map(|(name, unit)| text.strip_suffix(name).map(|rest| (rest, *unit))).unwrap_or((text, 1));
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

/// A duration above zero: `1s`, `100ms`, `1.5s`, `2m`, `1h`, `250us`; a bare number is seconds.
///
/// # Errors
/// [`QuantityError`] names the forms that are right.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let wrong = || QuantityError { text: text.into(), wanted: "duration above zero (such as 1s, 100ms, 1.5s or 2m)" };
    let (digits, unit) =
        UNITS.iter().find_map(|(name, unit)| text.strip_suffix(name).map(|rest| (rest, *unit))).unwrap_or((text, 1.0));
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong());
    }
    let seconds = digits.parse::<f64>().map_err(|_| wrong())? * unit;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(wrong)
}

/// A count: `1000000`, `1_000_000`, `1e9`.
///
/// # Errors
/// [`QuantityError`] names the forms that are right.
pub fn parse_count(text: &str) -> Result<u64, QuantityError> {
    let wrong = || QuantityError { text: text.into(), wanted: "whole number (such as 1000000, 1_000_000 or 1e9)" };
    if let Some((digits, exponent)) = text.split_once(['e', 'E']) {
        let (digits, exponent) =
            (digits.parse::<u64>().map_err(|_| wrong())?, exponent.parse::<u32>().map_err(|_| wrong())?);
        return 10_u64.checked_pow(exponent).and_then(|power| power.checked_mul(digits)).ok_or_else(wrong);
    }
    text.replace('_', "").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("4096", Some(4096))]
    #[case("64Mi", Some(64 << 20))]
    #[case("1G", Some(1_000_000_000))]
    #[case("64 Mi", None)]
    #[case("-1", None)]
    #[case("Mi", None)]
    #[case("99999999999Ti", None)]
    fn bytes(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(parse_bytes(text).ok(), expected);
    }

    #[rstest]
    #[case("1s", Some(1_000))]
    #[case("100ms", Some(100))]
    #[case("1.5s", Some(1_500))]
    #[case("2m", Some(120_000))]
    #[case("3", Some(3_000))]
    #[case("0s", None)]
    #[case("-1s", None)]
    #[case("1e3s", None)]
    #[case("s", None)]
    #[case("nan", None)]
    fn durations(#[case] text: &str, #[case] milliseconds: Option<u64>) {
        assert_eq!(parse_duration(text).ok(), milliseconds.map(Duration::from_millis));
    }

    #[rstest]
    #[case("12", Some(12))]
    #[case("1_000", Some(1_000))]
    #[case("1e9", Some(1_000_000_000))]
    #[case("1e30", None)]
    #[case("many", None)]
    fn counts(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(parse_count(text).ok(), expected);
    }
}
