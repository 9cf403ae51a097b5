//! Lines as YAML counts them.

/// The lines of a text. A line ends with `\n`, `\r\n` or `\r`
/// (<https://yaml.org/spec/1.2.2/#54-line-break-characters>).
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        found.push(&rest[..end]);
        let length = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + length..];
    }
    found.push(rest);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_break_of_yaml_ends_a_line() {
        assert_eq!(lines("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
        assert_eq!(lines("\n\n"), ["", "", ""]);
        assert_eq!(lines(""), [""]);
    }
}
