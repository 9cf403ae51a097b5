//! `FilterStorage`: which metrics are passed on.

use std::sync::{Arc, Mutex, PoisonError};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use wca_model::batch::LabelSets;
use wca_model::{Batch, Choice, Chosen, Label};
use wca_pattern::{Pattern, PatternError};

use crate::matched::{Match, Matched};

/// A filter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A pattern of names is none.
    #[error("the name {pattern:?}: {reason}")]
    Name {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// The patterns of names are too much together.
    #[error("the {count} names together: {reason}")]
    Names {
        /// How many they are.
        count: usize,
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

    /// Another batch is about to be looked at, of this tick, for which values may be looked at anew.
    fn begin(&self, tick: u64) {
        self.labels.iter().for_each(|matched| matched.begin(tick));
    }

    /// Whether all values of the batch could be looked at.
    fn is_complete(&self) -> bool {
        self.labels.iter().all(Matched::is_complete)
    }

    /// Whether it is not known of some value of the batch whether it matches.
    fn has_unknown(&self) -> bool {
        self.labels.iter().any(Matched::has_unknown)
    }

    /// Whether all labels match.
    fn of_labels(&self, labels: &[Label]) -> Match {
        all(self.labels.iter().map(|matched| {
            let value = labels.iter().find(|(label, _)| label == matched.label());
            matched.of(value.map_or("", |(_, value)| value.as_str()))
        }))
    }
}

/// What several come to: where one does not match, all do not, whatever is not known of the others.
fn all(matches: impl Iterator<Item = Match>) -> Match {
    let mut all = Match::Yes;
    for found in matches {
        match found {
            Match::Yes => {}
            Match::No => return Match::No,
            Match::Unknown => all = Match::Unknown,
        }
    }
    all
}

fn globs(names: &[String]) -> Result<GlobSet, FilterError> {
    let mut builder = GlobSetBuilder::new();
    for name in names {
        let glob = GlobBuilder::new(name).build();
        let failed =
            |error: globset::Error| FilterError::Name { pattern: name.clone(), reason: error.kind().to_string() };
        builder.add(glob.map_err(failed)?);
    }
    builder.build().map_err(|error| FilterError::Names { count: names.len(), reason: error.kind().to_string() })
}

impl Choice for Filter {
    fn takes_name(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_match(name))
    }

    fn takes_labels(&self, labels: &[Label]) -> bool {
        self.of_labels(labels) == Match::Yes
    }
}

/// Filters that stand one in another, the outermost first: what all of them take is passed on.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    filters: Vec<Arc<Filter>>,
    /// What was chosen of these label sets, which stay from tick to tick.
    last: Mutex<Option<(Arc<LabelSets>, Parted)>>,
}

/// Label sets by what the filters say of them.
#[derive(Clone, Debug)]
struct Parted {
    /// Those that are passed on.
    taken: Arc<Chosen>,
    /// Those of which it is not known whether they are.
    unknown: Arc<Chosen>,
}

/// What filters make of a batch.
#[derive(Clone)]
pub(crate) struct Passed {
    /// What is passed on.
    pub(crate) batch: Batch,
    /// Samples that are not, since it is not known whether they are to be.
    pub(crate) left_out: usize,
}

impl Chain {
    /// With another filter before it.
    pub(crate) fn behind(&self, filter: &Arc<Filter>) -> Self {
        let filters = std::iter::once(filter).chain(&self.filters).map(Arc::clone).collect();
        Self { filters, last: Mutex::default() }
    }

    /// What of the batch is passed on.
    pub(crate) fn apply(&self, batch: &Batch) -> Passed {
        if self.filters.is_empty() {
            return Passed { batch: batch.clone(), left_out: 0 };
        }
        self.filters.iter().for_each(|filter| filter.begin(batch.snapshot().tick));
        let Parted { taken, unknown } = self.parted(batch.labels());
        let passed = batch.choose(&taken, self);
        // The labels of the other samples were looked at just now, and come to the same again.
        let left_out = batch.choose(&unknown, &Unknown(self)).size();
        Passed { batch: passed, left_out }
    }

    fn parted(&self, labels: &Arc<LabelSets>) -> Parted {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, parted)) = last.as_ref().filter(|(known, _)| Arc::ptr_eq(known, labels)) {
            return parted.clone();
        }
        let taken = Arc::new(labels.chosen(self));
        let unknown = if self.has_unknown() { labels.chosen(&Unknown(self)) } else { labels.chosen(&Nothing) };
        let parted = Parted { taken, unknown: Arc::new(unknown) };
        // Those of samples alone are new in each tick, and of those that were not all looked at the rest comes in the next.
        if !labels.sets.is_empty() && self.filters.iter().all(|filter| filter.is_complete()) {
            *last = Some((Arc::clone(labels), parted.clone()));
        }
        parted
    }

    fn has_unknown(&self) -> bool {
        self.filters.iter().any(|filter| filter.has_unknown())
    }

    fn of_labels(&self, labels: &[Label]) -> Match {
        all(self.filters.iter().map(|filter| filter.of_labels(labels)))
    }
}

impl Choice for Chain {
    fn takes_name(&self, name: &str) -> bool {
        self.filters.iter().all(|filter| filter.takes_name(name))
    }

    fn takes_labels(&self, labels: &[Label]) -> bool {
        self.of_labels(labels) == Match::Yes
    }
}

/// What would be taken of names, and of labels it is not known.
struct Unknown<'c>(&'c Chain);

impl Choice for Unknown<'_> {
    fn takes_name(&self, name: &str) -> bool {
        self.0.takes_name(name)
    }

    fn takes_labels(&self, labels: &[Label]) -> bool {
        self.0.of_labels(labels) == Match::Unknown
    }
}

/// Nothing at all.
struct Nothing;

impl Choice for Nothing {
    fn takes_name(&self, _: &str) -> bool {
        false
    }

    fn takes_labels(&self, _: &[Label]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::testing::{batch, batch_of_tasks, sample};

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
        let told = filter(Some(&["x", &"*?".repeat(150_000)]), &[]).unwrap_err().to_string();
        assert!(told.starts_with("the 2 names together: ") && told.len() < 200, "{told}");
    }

    #[test]
    fn label_sets_that_were_not_all_looked_at_are_looked_at_again() {
        // Each value takes all the time that there is.
        let labels = vec![Matched::within(Duration::from_nanos(1), "task_id", Pattern::new("a|b|c").unwrap())];
        let chain = Chain::default().behind(&Arc::new(Filter { names: None, labels }));
        let batch = batch_of_tasks(&["a", "b", "c"]);
        for (size, is_kept) in [(1, false), (2, false), (3, false), (3, true)] {
            let Passed { batch: passed, left_out } = chain.apply(&batch);
            assert_eq!((passed.size(), left_out, chain.last.lock().unwrap().is_some()), (size, 3 - size, is_kept));
        }
    }

    /// A filter by a label that gives up values of many letters a, and has all the time in the world for others.
    fn giving_up(label: &str) -> Filter {
        let pattern = Pattern::new(r"(a|aa|a\b)+\1b|b").unwrap();
        Filter { names: None, labels: vec![Matched::within(Duration::from_secs(1000), label, pattern)] }
    }

    #[test]
    fn what_is_given_up_is_counted_in_each_batch_where_nothing_else_refuses_it() {
        let costly = "a".repeat(100);
        let zones = [("x", costly.as_str()), ("x", "b"), ("x", "c"), ("y", costly.as_str())];
        let samples = || zones.iter().map(|(name, zone)| sample(name, &[("zone", zone)], 1.0)).collect();
        let only_x = Arc::new(filter(Some(&["x"]), &[]).unwrap());
        let refusing = Arc::new(filter(None, &[("host", "other")]).unwrap());
        let giving_up = Arc::new(giving_up("zone"));
        let counted = |chain: &Chain| {
            let Passed { batch, left_out } = chain.apply(&batch(0.0, samples()));
            (batch.size(), left_out)
        };
        for _ in 0..2 {
            assert_eq!(counted(&Chain::default().behind(&giving_up)), (1, 2));
            assert_eq!(counted(&Chain::default().behind(&giving_up).behind(&only_x)), (1, 1));
            assert_eq!(counted(&Chain::default().behind(&giving_up).behind(&refusing)), (0, 0));
            assert_eq!(counted(&Chain::default().behind(&refusing).behind(&giving_up)), (0, 0));
        }
    }

    #[test]
    fn what_is_given_up_of_tasks_is_counted_while_their_label_sets_stay() {
        let costly = "a".repeat(100);
        let chain = Chain::default().behind(&Arc::new(giving_up("task_id")));
        let batch = batch_of_tasks(&[&costly, "b", "c"]);
        for _ in 0..3 {
            let Passed { batch: passed, left_out } = chain.apply(&batch);
            assert_eq!((passed.size(), left_out, chain.last.lock().unwrap().is_some()), (1, 1, true));
        }
    }

    #[test]
    fn an_expression_that_takes_too_long_passes_nothing_on() {
        let filter = giving_up("zone");
        assert!(!filter.takes_labels(&[("zone".into(), "a".repeat(100))]));
    }
}
