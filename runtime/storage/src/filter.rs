//! `FilterStorage`: which metrics are passed on.

use std::sync::{Arc, Mutex, PoisonError};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use wca_model::batch::LabelSets;
use wca_model::{Batch, Choice, Chosen, Label};
use wca_pattern::{Pattern, PatternError};

use crate::matched::Matched;

/// A filter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A pattern of names is none.
    #[error("the name {pattern:?}: {reason}")]
    Name {
        /// The pattern, where it is known which one it is.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// A regular expression for a label is none.
    #[error("the label {label}: {error}")]
    Label {
        /// The label.
        label: String,
        /// What is wrong with the expression.
        #[source]
        error: PatternError,
    },
}

/// Which samples are passed on: those whose metric has one of the names, and of whose labels each that is named here matches.
#[derive(Debug)]
pub struct Filter {
    names: Option<GlobSet>,
    labels: Vec<Matched>,
}

impl Filter {
    /// By names, in which `*` stands for any characters and `?` for one (none: every name), and by labels, each with a regular
    /// expression that must match the whole value. A label that a sample does not have has an empty value.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn new(names: Option<&[String]>, labels: &[(String, String)]) -> Result<Self, FilterError> {
        let labels = labels.iter().map(|(label, pattern)| {
            let failed = |error| FilterError::Label { label: label.clone(), error };
            Ok(Matched::new(label, Pattern::new(pattern).map_err(failed)?))
        });
        Ok(Self { names: names.map(globs).transpose()?, labels: labels.collect::<Result<_, _>>()? })
    }

    /// Another batch is about to be looked at, for which values may be looked at anew.
    fn begin(&self) {
        self.labels.iter().for_each(Matched::begin);
    }

    /// Whether all values of the batch could be looked at.
    fn is_complete(&self) -> bool {
        self.labels.iter().all(Matched::is_complete)
    }
}

fn globs(names: &[String]) -> Result<GlobSet, FilterError> {
    let failed = |pattern: &str, error: &globset::Error| FilterError::Name {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    };
    let mut builder = GlobSetBuilder::new();
    for name in names {
        builder.add(GlobBuilder::new(name).build().map_err(|error| failed(name, &error))?);
    }
    builder.build().map_err(|error| failed(&names.join(", "), &error))
}

impl Choice for Filter {
    fn takes_name(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_match(name))
    }

    fn takes_labels(&self, labels: &[Label]) -> bool {
        self.labels.iter().all(|matched| {
            let value = labels.iter().find(|(label, _)| label == matched.label());
            matched.takes(value.map_or("", |(_, value)| value.as_str()))
        })
    }
}

/// Filters that stand one in another, the outermost first: what all of them take is passed on.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    filters: Vec<Arc<Filter>>,
    /// What was chosen of these label sets, which stay from tick to tick.
    last: Mutex<Option<(Arc<LabelSets>, Arc<Chosen>)>>,
}

impl Chain {
    /// With another filter before it.
    pub(crate) fn behind(&self, filter: &Arc<Filter>) -> Self {
        let filters = std::iter::once(filter).chain(&self.filters).map(Arc::clone).collect();
        Self { filters, last: Mutex::default() }
    }

    /// What of the batch is passed on.
    pub(crate) fn apply(&self, batch: &Batch) -> Batch {
        if self.filters.is_empty() {
            return batch.clone();
        }
        self.filters.iter().for_each(|filter| filter.begin());
        batch.choose(&self.chosen(batch.labels()), self)
    }

    fn chosen(&self, labels: &Arc<LabelSets>) -> Arc<Chosen> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, chosen)) = last.as_ref().filter(|(known, _)| Arc::ptr_eq(known, labels)) {
            return Arc::clone(chosen);
        }
        let chosen = Arc::new(labels.chosen(self));
        // Those of samples alone are new in each tick, and of those that were not all looked at the rest comes in the next.
        if !labels.sets.is_empty() && self.filters.iter().all(|filter| filter.is_complete()) {
            *last = Some((Arc::clone(labels), Arc::clone(&chosen)));
        }
        chosen
    }
}

impl Choice for Chain {
    fn takes_name(&self, name: &str) -> bool {
        self.filters.iter().all(|filter| filter.takes_name(name))
    }

    fn takes_labels(&self, labels: &[Label]) -> bool {
        self.filters.iter().all(|filter| filter.takes_labels(labels))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::testing::batch_of_tasks;

    fn filter(names: Option<&[&str]>, labels: &[(&str, &str)]) -> Result<Filter, FilterError> {
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let labels = labels.iter().map(|(label, pattern)| ((*label).into(), (*pattern).into())).collect::<Vec<_>>();
        Filter::new(names.as_deref(), &labels)
    }

    #[rstest]
    #[case(None, true)]
    #[case(Some(&[][..]), false)]
    #[case(Some(&["task_cpu"][..]), false)]
    #[case(Some(&["task_cpu_usage_seconds"][..]), true)]
    #[case(Some(&["wca_up", "task_*"][..]), true)]
    #[case(Some(&["*_seconds"][..]), true)]
    #[case(Some(&["*cpu*"][..]), true)]
    #[case(Some(&["task_?pu_usage_seconds"][..]), true)]
    #[case(Some(&["task_cpu_usage_second"][..]), false)]
    #[case(Some(&["task_cpu_usage_seconds?"][..]), false)]
    #[case(Some(&["TASK_*"][..]), false)]
    #[case(Some(&["*"][..]), true)]
    fn which_names_are_taken(#[case] names: Option<&[&str]>, #[case] expected: bool) {
        assert_eq!(filter(names, &[]).unwrap().takes_name("task_cpu_usage_seconds"), expected);
    }

    #[rstest]
    #[case(&[], true)]
    #[case(&[("task_name", "web-.*")], true)]
    #[case(&[("task_name", "web-")], false)]
    #[case(&[("task_name", "eb-.*")], false)]
    #[case(&[("task_name", "api-.*|web-.*")], true)]
    #[case(&[("task_name", "api|web")], false)]
    #[case(&[("task_name", "(?i)WEB-\\d")], true)]
    #[case(&[("task_name", "web-7$")], true)]
    #[case(&[("task_name", "web-.*"), ("zone", "east")], false)]
    #[case(&[("task_name", "web-.*"), ("zone", "(ea|we)st")], true)]
    #[case(&[("cpu", "")], true)]
    #[case(&[("cpu", ".+")], false)]
    #[case(&[("cpu", "([0-9]+)?")], true)]
    fn which_labels_are_taken(#[case] labels: &[(&str, &str)], #[case] expected: bool) {
        let has = [("task_name", "web-7"), ("zone", "west")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(filter(None, labels).unwrap().takes_labels(&has), expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let told = filter(None, &[("zone", "(a")]).unwrap_err().to_string();
        assert_eq!(told, "the label zone: `)` is missing (at character 1)");
        let told = filter(Some(&["x", "[a"]), &[]).unwrap_err().to_string();
        assert!(told.starts_with("the name \"[a\": "), "{told}");
    }

    #[test]
    fn label_sets_that_were_not_all_looked_at_are_looked_at_again() {
        // Each value takes all the time that there is.
        let labels = vec![Matched::within(Duration::from_nanos(1), "task_id", Pattern::new("a|b|c").unwrap())];
        let chain = Chain::default().behind(&Arc::new(Filter { names: None, labels }));
        let batch = batch_of_tasks(&["a", "b", "c"]);
        for (size, is_kept) in [(1, false), (2, false), (3, false), (3, true)] {
            assert_eq!((chain.apply(&batch).size(), chain.last.lock().unwrap().is_some()), (size, is_kept));
        }
    }

    #[test]
    fn an_expression_that_takes_too_long_passes_nothing_on() {
        let filter = filter(None, &[("zone", r"(a|aa|a\b)+\1b")]).unwrap();
        assert!(!filter.takes_labels(&[("zone".into(), "a".repeat(100))]));
    }
}
