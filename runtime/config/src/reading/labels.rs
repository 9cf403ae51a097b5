//! Names of labels.

use wca_model::metric::is_label_name;

use super::Reader;
use super::spot::Spot;
use crate::node::Entry;

impl Reader<'_> {
    /// Whether the key of an entry can be the name of a label; otherwise that has been reported.
    pub(super) fn is_label(&mut self, entry: &Entry, spot: &Spot) -> bool {
        let name = &entry.key.text;
        if is_label_name(name) {
            return true;
        }
        let help = if name.starts_with("__") {
            "names that begin with `__` are kept by Prometheus for itself".to_owned()
        } else {
            let usable = usable_label(name);
            let rule = "a letter or `_`, then letters, digits and `_`";
            usable.map_or_else(|| rule.to_owned(), |usable| format!("{rule}, for instance `{usable}`"))
        };
        self.report(
            &entry.place,
            format!("keys of {spot} must be names of labels, but this is {}", entry.key.describe()),
            Some(help),
        );
        false
    }
}

/// A name that is like this one and can be a label's.
fn usable_label(name: &str) -> Option<String> {
    let usable = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let mut name: String = name.chars().map(usable).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    is_label_name(&name).then_some(name)
}
