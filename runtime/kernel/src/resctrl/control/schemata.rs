//! Schemata: a line for each resource, a value for each of its domains.

use crate::error::excerpt;
use crate::text::{hexadecimal, lines, number};

/// One domain of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell<'a> {
    /// Name of the resource as the kernel writes it, such as `L3`, `L3CODE` or `MB`.
    pub resource: &'a str,
    /// Id of the domain as the kernel lists it.
    pub domain: u32,
}

impl Cell<'_> {
    /// Bandwidth stands in decimal digits, cache ways in hexadecimal ones.
    fn is_bandwidth(&self) -> bool {
        matches!(self.resource, "MB" | "SMBA")
    }
}

/// A value as it is compared: ways in hexadecimal digits without zeros before them, bandwidth in decimal ones.
pub(crate) fn cell_text(cell: &Cell<'_>, value: u64) -> String {
    if cell.is_bandwidth() { value.to_string() } else { format!("{value:x}") }
}

/// The value of a cell in the text of `schemata`, which aligns the names of resources and the values; nothing where it is not listed, and
/// the line where it cannot be understood.
pub(super) fn find(text: &[u8], cell: &Cell<'_>) -> Result<String, Option<String>> {
    for line in lines(text) {
        let Some(rest) = line.trim_ascii_start().strip_prefix(cell.resource.as_bytes()) else { continue };
        let Some(row) = rest.strip_prefix(b":") else { continue };
        for domain in row.split(|byte| *byte == b';') {
            let malformed = || Some(excerpt(line));
            let at = domain.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            if number(domain[..at].trim_ascii()).ok_or_else(malformed)? != u64::from(cell.domain) {
                continue;
            }
            let digits = domain[at + 1..].trim_ascii();
            let value = if cell.is_bandwidth() { number(digits) } else { hexadecimal(digits) };
            return value.map(|value| cell_text(cell, value)).ok_or_else(malformed);
        }
        return Err(None);
    }
    Err(None)
}

/// Cells as the kernel takes them: one line for each resource.
pub(super) fn rows(cells: &[(Cell<'_>, &str)]) -> String {
    let mut sorted = cells.to_vec();
    sorted.sort_by_key(|(cell, _)| *cell);
    let lines = sorted.chunk_by(|(one, _), (other, _)| one.resource == other.resource).map(|line| {
        let domains: Vec<String> = line.iter().map(|(cell, value)| format!("{}={value}", cell.domain)).collect();
        format!("{}:{}\n", line.first().map_or("", |(cell, _)| cell.resource), domains.join(";"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "    MB:0= 60;16=100\n    L3:0=0007ff;16=00ff0\nL3CODE:0=F\n  L2:x\n";

    #[rstest]
    #[case("MB", 0, Ok("60"))]
    #[case("MB", 16, Ok("100"))]
    #[case("L3", 0, Ok("7ff"))]
    #[case("L3", 16, Ok("ff0"))]
    #[case("L3CODE", 0, Ok("f"))]
    #[case("L3", 1, Err(None))]
    #[case("L3DATA", 0, Err(None))]
    #[case("L2", 0, Err(Some("  L2:x")))]
    fn cells(#[case] resource: &str, #[case] domain: u32, #[case] expected: Result<&str, Option<&str>>) {
        let found = find(TEXT.as_bytes(), &Cell { resource, domain });
        assert_eq!(found.as_deref().map_err(Option::as_deref), expected);
    }

    #[test]
    fn a_line_for_each_resource() {
        let cell = |resource, domain| Cell { resource, domain };
        let cells = [(cell("MB", 1), "50"), (cell("L3", 0), "f"), (cell("MB", 0), "20")];
        assert_eq!(rows(&cells), "L3:0=f\nMB:0=20;1=50\n");
    }
}
