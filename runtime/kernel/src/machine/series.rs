//! The series of one file and their values.

use crate::metrics::Found;

/// Series by their labels. As long as a file has the same series in the same order, labels are compared where they lie, and
/// nothing is allocated.
#[derive(Default)]
pub(crate) struct SeriesList {
    /// Values of the levels of each series.
    pub labels: Vec<Vec<String>>,
    /// The values, one per series.
    pub values: Vec<f64>,
}

impl SeriesList {
    /// Takes over what `read` gives; true where the series changed. None where it says that the file is malformed: the
    /// series stay, without values.
    pub(crate) fn take(&mut self, read: impl Fn(Found) -> bool) -> Option<bool> {
        let Self { labels, values } = self;
        let (mut count, mut is_same) = (0, true);
        let is_well_formed = read(&mut |found, value| {
            let known = labels.get(count).filter(|_| is_same);
            is_same = known.is_some_and(|known| known.iter().map(String::as_bytes).eq(found.iter().copied()));
            if is_same {
                values[count] = value;
            }
            count += 1;
        });
        if !is_well_formed {
            self.lose();
            return None;
        }
        if is_same && count == labels.len() {
            return Some(false);
        }
        labels.clear();
        values.clear();
        read(&mut |found, value| {
            labels.push(found.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect());
            values.push(value);
        });
        Some(true)
    }

    /// Nothing could be read: the series stay, without values.
    pub(crate) fn lose(&mut self) {
        self.values.fill(f64::NAN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(series: &'a [(&'a str, f64)], is_well_formed: bool) -> impl Fn(Found) -> bool {
        move |found| {
            series.iter().for_each(|(label, value)| found(&[label.as_bytes()], *value));
            is_well_formed
        }
    }

    fn of(list: &SeriesList) -> Vec<(&str, Option<f64>)> {
        let values = list.values.iter().map(|value| (!value.is_nan()).then_some(*value));
        list.labels.iter().map(|labels| labels[0].as_str()).zip(values).collect()
    }

    #[test]
    fn series_come_and_go_and_stay_where_nothing_is_known() {
        let mut list = SeriesList::default();
        assert_eq!(list.take(read(&[("a", 1.0), ("b", 2.0)], true)), Some(true));
        assert_eq!(list.take(read(&[("a", 3.0), ("b", 4.0)], true)), Some(false));
        assert_eq!(of(&list), [("a", Some(3.0)), ("b", Some(4.0))]);
        assert_eq!(list.take(read(&[("a", 5.0), ("c", 6.0)], false)), None);
        assert_eq!(of(&list), [("a", None), ("b", None)]);
        assert_eq!(list.take(read(&[("a", 5.0)], true)), Some(true), "one went");
        assert_eq!(list.take(read(&[("c", 5.0), ("a", 6.0)], true)), Some(true), "one came before");
        assert_eq!(of(&list), [("c", Some(5.0)), ("a", Some(6.0))]);
        assert_eq!(list.take(read(&[], true)), Some(true));
        assert_eq!(of(&list), []);
    }
}
