//! What is wrong with a file, and how it is shown to the operator.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::node::Place;
use crate::parse::ParseError;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// Where.
    pub place: Box<Place>,
    /// What is wrong.
    pub what: String,
    /// What would be right, where that can be told.
    pub help: Option<String>,
}

/// Everything that is wrong with a file, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors {
    /// Each of them.
    pub errors: Vec<ConfigError>,
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self { errors: vec![error] }
    }
}

impl From<ParseError> for ConfigErrors {
    fn from(error: ParseError) -> Self {
        ConfigError { place: error.place, what: error.what, help: None }.into()
    }
}

/// Shows each error with its line of the file, and a mark under the mistake. `text` is the content of that file.
#[must_use]
pub fn render(errors: &ConfigErrors, text: &str) -> String {
    render_in(errors, |_| Some(text))
}

/// The same of errors in several files: `text` is the content of the one with this path, where it is known.
pub fn render_in<'text>(errors: &ConfigErrors, text: impl Fn(&str) -> Option<&'text str>) -> String {
    let mut shown = String::new();
    for error in &errors.errors {
        if !shown.is_empty() {
            shown.push('\n');
        }
        let lines = text(&error.place.source).map(crate::lines::lines).unwrap_or_default();
        shown.push_str(&render_one(error, &lines));
        shown.push('\n');
    }
    shown
}

fn render_one(error: &ConfigError, lines: &[&str]) -> String {
    let place = &error.place;
    // Values of the command line have no line in the file.
    let in_file = !place.source.starts_with("--");
    let line = lines.get(place.line.saturating_sub(1)).filter(|_| in_file);
    let title = if line.is_some() { error.what.clone() } else { error.to_string() };
    let mut group = Group::with_title(Level::ERROR.primary_title(title));
    if let Some(line) = line {
        let start = place.column.saturating_sub(1);
        let span = byte_offset(line, start)..byte_offset(line, start + place.length);
        let mark = AnnotationKind::Primary.span(span);
        group = group.element(Snippet::source(*line).line_start(place.line).path(&*place.source).annotation(mark));
    }
    if let Some(help) = &error.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().render(&[group])
}

/// From characters to bytes; the end of the line for what lies beyond it.
fn byte_offset(line: &str, characters: usize) -> usize {
    line.char_indices().nth(characters).map_or(line.len(), |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(place: Place, text: &str) -> String {
        let error = ConfigError { place: Box::new(place), what: "no".into(), help: Some("yes".into()) };
        render(&ConfigErrors { errors: vec![error] }, text)
    }

    fn place(source: &str, line: usize, column: usize, length: usize) -> Place {
        Place { source: source.into(), line, column, length }
    }

    #[test]
    fn the_mark_is_under_the_mistake() {
        let expected = "error: no\n --> c.yaml:2:9\n  |\n2 | é: \"ü\", wrong\n  |         ^^^^^\n  |\n  = help: yes\n";
        assert_eq!(shown(place("c.yaml", 2, 9, 5), "a: 1\né: \"ü\", wrong\n"), expected);
        let with_tab = shown(place("c.yaml", 1, 3, 5), "a\twrong\n");
        assert!(with_tab.contains("1 | a    wrong\n  |      ^^^^^\n"), "{with_tab}");
    }

    #[test]
    fn what_is_beyond_the_text_is_shown_without_it() {
        assert_eq!(shown(place("--set a", 1, 1, 1), "a: 1\n"), "error: --set a: no\n |\n = help: yes\n");
        assert!(shown(place("c.yaml", 9, 1, 1), "a: 1\n").starts_with("error: c.yaml:9:1: no\n"));
        assert!(shown(place("c.yaml", 1, 90, 7), "a: 1\n").starts_with("error: no\n --> c.yaml:1:5\n"));
    }
}
