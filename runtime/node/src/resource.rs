//! What tasks asked for.

use std::fmt;

/// What a task asked for of one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceValue {
    /// A whole number of cores, bytes or pieces.
    Integer(i64),
    /// In cores or bytes.
    Number(f64),
    /// What no policy can reckon with.
    Text(String),
}

impl ResourceValue {
    /// The number that it is; none for a text.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "resources beyond 2^53 are rounded, as all metrics are")]
            Self::Integer(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

/// As Python's `str` writes it (<https://docs.python.org/3.11/library/stdtypes.html#str>): labels that are made of resources
/// have always had that form.
impl fmt::Display for ResourceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) if number.is_nan() => f.write_str("nan"),
            Self::Number(number) if number.is_infinite() => f.write_str(if *number > 0.0 { "inf" } else { "-inf" }),
            Self::Number(number) => {
                let scientific = format!("{number:e}");
                let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
                match exponent.parse::<i32>() {
                    Ok(exponent) if !(-4..16).contains(&exponent) => {
                        let sign = if exponent < 0 { '-' } else { '+' };
                        write!(f, "{mantissa}e{sign}{:02}", exponent.unsigned_abs())
                    }
                    _ => write!(f, "{number:?}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Numbers and what `python3 -c 'print(NUMBER)'` prints of them.
    #[rstest]
    #[case(ResourceValue::Integer(2), "2")]
    #[case(ResourceValue::Integer(-9_007_199_254_740_993), "-9007199254740993")]
    #[case(ResourceValue::Text("2 GB".into()), "2 GB")]
    #[case(ResourceValue::Number(2.0), "2.0")]
    #[case(ResourceValue::Number(0.1), "0.1")]
    #[case(ResourceValue::Number(-1.5), "-1.5")]
    #[case(ResourceValue::Number(0.0), "0.0")]
    #[case(ResourceValue::Number(-0.0), "-0.0")]
    #[case(ResourceValue::Number(8_589_934_592.0), "8589934592.0")]
    #[case(ResourceValue::Number(1_234_567_890_123_456.0), "1234567890123456.0")]
    #[case(ResourceValue::Number(1e16), "1e+16")]
    #[case(ResourceValue::Number(1.5e300), "1.5e+300")]
    #[case(ResourceValue::Number(0.0001), "0.0001")]
    #[case(ResourceValue::Number(0.000_012_5), "1.25e-05")]
    #[case(ResourceValue::Number(f64::NAN), "nan")]
    #[case(ResourceValue::Number(f64::NEG_INFINITY), "-inf")]
    fn texts(#[case] value: ResourceValue, #[case] expected: &str) {
        assert_eq!(value.to_string(), expected);
    }
}
