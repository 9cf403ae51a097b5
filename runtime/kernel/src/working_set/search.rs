//! Looking for the moment at which a task has touched all that it works with.
//!
//! After the kernel's marks are reset, the memory that is marked as referenced grows as the task comes by it. Once it grows
//! far less than the task moves through memory, it holds the working set.

/// How it is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Search {
    /// Readings in a row without growth after which it counts as found.
    pub stable_cycles: u32,
    /// Whether the marks are to be reset when it is found, for the next search.
    pub resets: bool,
    /// Growth in bytes per byte of memory traffic below which there is none.
    pub threshold: f64,
}

/// How far the search in a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Bytes that were referenced at the last reading, and bytes of traffic until then; none after a reset.
    before: Option<(f64, f64)>,
    /// Readings in a row without growth.
    stable: u32,
    /// Bytes that were referenced at the first of them.
    first: f64,
    /// The marks have been there since before the first reading, so that what was found first is no working set.
    is_past_first: bool,
    /// Bytes of the last working set.
    pub found: Option<f64>,
}

impl Progress {
    /// Takes the bytes that are referenced and the bytes of memory traffic so far, NaN where that is not known; true where the
    /// marks are to be reset now.
    pub(crate) fn step(&mut self, search: Search, referenced: f64, traffic: f64) -> bool {
        if self.stable < search.stable_cycles
            && let Some((referenced_before, traffic_before)) = self.before
        {
            let growth = referenced - referenced_before;
            // What ends or is given back makes it shrink; a little of that is no change.
            let is_small = growth >= 0.0 || -growth < referenced / 50.0;
            let is_stable = is_small && growth.max(0.0) < (traffic - traffic_before) * search.threshold;
            match (is_stable, self.stable) {
                (false, _) => self.stable = 0,
                (true, 0) => (self.stable, self.first) = (1, referenced),
                (true, _) => self.stable += 1,
            }
            if self.stable == search.stable_cycles {
                if std::mem::replace(&mut self.is_past_first, true) {
                    self.found = Some(f64::midpoint(self.first, referenced));
                }
                self.before = Some((referenced, traffic));
                return search.resets;
            }
        }
        self.before = Some((referenced, traffic));
        false
    }

    /// Begins anew, since the marks were reset or a reading is missing. What was found stands.
    pub(crate) fn begin_anew(&mut self) {
        (self.before, self.stable) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SEARCH: Search = Search { stable_cycles: 2, resets: true, threshold: 0.1 };

    /// What was found after each reading of these bytes, with 1,000,000 bytes of traffic from one to the next, and which
    /// readings were followed by a reset.
    fn run(search: Search, referenced: &[f64]) -> (Vec<Option<f64>>, Vec<usize>) {
        let (mut progress, mut resets, mut traffic) = (Progress::default(), Vec::new(), 0.0);
        let found = referenced.iter().zip(1..).map(|(referenced, reading)| {
            traffic += 1e6;
            if progress.step(search, *referenced, traffic) {
                resets.push(reading);
                progress.begin_anew();
            }
            progress.found
        });
        (found.collect(), resets)
    }

    #[test]
    fn v73_a_constant_set_is_found_at_the_sixth_reading() {
        let (found, resets) = run(SEARCH, &[15_360_000.0; 6]);
        assert_eq!(found, [None, None, None, None, None, Some(15_360_000.0)]);
        assert_eq!(resets, [3, 6]);
    }

    #[rstest]
    #[case::it_grows(&[1e6, 2e6, 3e6, 4e6, 5e6, 6e6, 7e6], None)]
    #[case::it_grows_and_stops(&[1e6, 1e6, 1e6, 1e6, 9e6, 9e6, 9.05e6], Some(9.025e6))]
    #[case::it_is_nothing(&[0.0; 6], Some(0.0))]
    #[case::it_shrinks_a_little(&[1e6, 1e6, 1e6, 1e8, 0.99e8, 0.98e8], Some(0.985e8))]
    #[case::it_shrinks_much(&[1e6, 1e6, 1e6, 1e8, 0.9e8, 0.8e8], None)]
    #[case::it_stops_and_goes_on(&[1e6, 1e6, 1e6, 1e6, 1e6, 9e6, 9e6], None)]
    fn a_set_is_found_where_it_stays(#[case] referenced: &[f64], #[case] expected: Option<f64>) {
        let (found, _) = run(SEARCH, referenced);
        assert_eq!(found.last(), Some(&expected));
    }

    /// Where nobody resets the marks, it is found once, which says nothing.
    #[test]
    fn without_resets_nothing_is_found() {
        let (found, resets) = run(Search { resets: false, ..SEARCH }, &[1e6; 20]);
        assert_eq!((found, resets), (vec![None; 20], vec![]));
    }

    #[test]
    fn a_regular_reset_begins_the_search_anew_and_what_was_found_stands() {
        let search = Search { resets: false, ..SEARCH };
        let (mut progress, mut found) = (Progress::default(), Vec::new());
        for cycle in 1..=12 {
            progress.step(search, 1e6, f64::from(cycle) * 1e6);
            if cycle % 4 == 0 {
                progress.begin_anew();
            }
            found.push(progress.found);
        }
        let expected: Vec<_> = (1..=12).map(|cycle| (cycle >= 7).then_some(1e6)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn without_traffic_there_is_no_search() {
        let mut progress = Progress::default();
        for _ in 0..10 {
            assert!(!progress.step(SEARCH, 1e6, f64::NAN));
        }
        assert_eq!(progress.found, None);
    }
}
