//! Scalars of the core schema of YAML 1.2 (<https://yaml.org/spec/1.2.2/#103-core-schema>).

/// A scalar as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scalar {
    /// The text, without quotes.
    pub text: String,
    /// Whether it was quoted or a block: then it is a text and nothing else.
    pub quoted: bool,
}

impl Scalar {
    /// Whether it is null: `null`, `~` or nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        !self.quoted && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// As a boolean: `true` or `false`. `yes`, `no`, `on` and `off` are texts.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            _ if self.quoted => None,
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }

    /// As a whole number: decimal, `0x` or `0o`.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        if self.quoted {
            return None;
        }
        if let Some(hex) = self.text.strip_prefix("0x") {
            return from_digits(hex, 16);
        }
        if let Some(octal) = self.text.strip_prefix("0o") {
            return from_digits(octal, 8);
        }
        self.text.parse().ok()
    }

    /// As a number; whole numbers too.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        if self.quoted {
            return None;
        }
        match self.text.as_str() {
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
            ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
            _ => {}
        }
        let numeric = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
        if self.text.bytes().all(numeric) && self.text.bytes().any(|byte| byte.is_ascii_digit()) {
            return self.text.parse().ok();
        }
        #[allow(
            clippy::cast_precision_loss,
            reason = "hexadecimal and octal numbers beyond 2^53 are rounded, as in YAML"
        )]
        self.as_integer().map(|integer| integer as f64)
    }

    /// What kind of value it is, in YAML's words, with the value.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.is_null() {
            "null".into()
        } else if self.as_bool().is_some() {
            format!("the boolean {}", self.text)
        } else if self.as_integer().is_some() {
            format!("the integer {}", self.text)
        } else if self.as_float().is_some() {
            format!("the number {}", self.text)
        } else {
            format!("the text \"{}\"", shortened(&self.text))
        }
    }
}

fn from_digits(digits: &str, radix: u32) -> Option<i128> {
    // `from_str_radix` takes a sign, which YAML does not after the prefix.
    if digits.starts_with(['+', '-']) { None } else { i128::from_str_radix(digits, radix).ok() }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.escape_debug().to_string();
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{}…", head.escape_debug())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.into(), quoted: false }
    }

    #[rstest]
    #[case("", "null")]
    #[case("~", "null")]
    #[case("yes", "the text \"yes\"")]
    #[case("true", "the boolean true")]
    #[case("10", "the integer 10")]
    #[case("0x1f", "the integer 0x1f")]
    #[case("1e3", "the number 1e3")]
    #[case("-.inf", "the number -.inf")]
    #[case("1.2.3", "the text \"1.2.3\"")]
    #[case("e", "the text \"e\"")]
    #[case("nan", "the text \"nan\"")]
    fn kinds(#[case] text: &str, #[case] described: &str) {
        assert_eq!(plain(text).describe(), described);
    }

    #[test]
    fn a_quoted_scalar_is_a_text() {
        let quoted = Scalar { text: "10".into(), quoted: true };
        assert_eq!(quoted.describe(), "the text \"10\"");
        assert_eq!(quoted.as_integer(), None);
        assert_eq!(quoted.as_float(), None);
    }

    #[test]
    fn numbers() {
        assert_eq!(plain("0x10").as_integer(), Some(16));
        assert_eq!(plain("0o10").as_integer(), Some(8));
        assert_eq!(plain("0x-1").as_integer(), None);
        assert_eq!(plain("-5").as_integer(), Some(-5));
        assert_eq!(plain("5").as_float(), Some(5.0));
        assert_eq!(plain("0x10").as_float(), Some(16.0));
        assert_eq!(plain("inf").as_float(), None);
    }
}
