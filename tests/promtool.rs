//! What `promtool check metrics` says of a page, and what the documentation says that it does. Taken into test programs by its
//! path, beside `missing` of `skipped.rs`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::missing;

/// The name of a metric, and what is said of it.
pub(crate) type Lint = (String, String);

/// What the real promtool complains of; none where it is not installed, which is said.
///
/// # Panics
/// Panics where it finds an error.
pub(crate) fn lints(text: &str) -> Option<BTreeSet<Lint>> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let why = format!("promtool does not run here: {error}");
            missing("promtool", &why, "Debian's package prometheus has it");
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // 3 is for complaints, 1 for errors.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {said}\n{text}", output.status);
    let lint = |line: &str| line.split_once(' ').map(|(name, what)| (name.to_owned(), what.to_owned()));
    Some(said.lines().map(|line| lint(line).unwrap_or_else(|| panic!("{said}"))).collect())
}

/// What docs/differences.md has of that: rows of a table, each with a name and a complaint.
pub(crate) fn documented() -> BTreeSet<Lint> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("## Names of which promtool complains\n").unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [names, what] = cells[..] else { panic!("{line}") };
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        names.into_iter().map(|name| (name.to_owned(), what.trim_matches('`').to_owned())).collect::<Vec<_>>()
    };
    table.lines().filter(|line| line.starts_with("| `")).flat_map(row).collect()
}
