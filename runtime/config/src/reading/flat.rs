//! Arguments of `MeasurementRunner` that stand elsewhere than under `measurement_runner`.
//!
//! Older files write them directly under `DetectionRunner` and `AllocationRunner`, or under `config`.

use std::sync::Arc;

use super::Reader;
use crate::definitions::{Definition, Parameter, definition};
use crate::node::{Content, Entry, Node, Place};
use crate::scalar::Scalar;

const MEASUREMENT_RUNNER: &str = "measurement_runner";
const TAG: &str = "MeasurementRunner";

/// The tag that older files put after `config:`.
const OLD_TAG: &str = "MeasurementRunnerConfig";

impl Reader<'_> {
    /// The entries with `measurement_runner` in place of what stands for it; and names that would have been right as well.
    pub(super) fn with_gathered_measurement(
        &mut self,
        entries: Vec<Entry>,
        runner: &Definition,
        place: &Place,
    ) -> (Vec<Entry>, Vec<&'static str>) {
        if !runner.parameters().iter().any(|parameter| parameter.name == MEASUREMENT_RUNNER) {
            return (entries, Vec::new());
        }
        let measurement = definition(TAG).map(Definition::parameters).unwrap_or_default();
        let names: Vec<_> = measurement.iter().flat_map(Parameter::names).collect();
        let is_flat = |entry: &Entry| names.contains(&entry.key.text.as_str());
        let (flat, mut others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_flat);
        let config = others.iter().position(|entry| entry.key.text == "config").map(|index| others.remove(index));
        let given = others.iter().find(|entry| entry.key.text == MEASUREMENT_RUNNER).cloned();

        let mut sources = [given.as_ref(), config.as_ref(), flat.first()].into_iter().flatten();
        let chosen = sources.next();
        for extra in sources {
            let chosen = chosen.map(|entry| entry.key.text.as_str()).unwrap_or_default();
            let what = format!("`{}` belongs to what `{chosen}` of `!{}` says", extra.key.text, runner.tag);
            self.error_with_help(&extra.place, what, format!("move it below `{MEASUREMENT_RUNNER}`"));
        }
        if given.is_some() {
            return (others, names);
        }
        if let Some(config) = config {
            self.note(&config.place, format!("`config` of `!{}` is read as `{MEASUREMENT_RUNNER}`", runner.tag));
            others.push(entry(&config.place, tagged(&config.value)));
        } else if let Some(first) = flat.first() {
            let what = format!("arguments of `!{TAG}` under `!{}` are read as `{MEASUREMENT_RUNNER}`", runner.tag);
            self.note(&first.place, what);
            let key = first.place.clone();
            let value = Node { content: Content::Map(flat), tag: Some(TAG.into()), place: place.clone() };
            others.push(entry(&key, Arc::new(value)));
        }
        (others, names)
    }
}

fn entry(place: &Place, value: Arc<Node>) -> Entry {
    Entry { key: Scalar { text: MEASUREMENT_RUNNER.into(), quoted: false }, place: place.clone(), value }
}

/// The value of `config` as the runner that it stands for, unless it is something else.
fn tagged(value: &Arc<Node>) -> Arc<Node> {
    match (&value.content, value.tag.as_deref()) {
        (Content::Map(_), None) | (_, Some(OLD_TAG)) => Arc::new(Node { tag: Some(TAG.into()), ..(**value).clone() }),
        _ => Arc::clone(value),
    }
}
