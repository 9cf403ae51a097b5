//! What the operator named, by numbers that stay over readings of the configuration.

use wca_messages::Refused;

/// Entries by number. A number is never another entry's, as long as one that may know it lives.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    what: &'static str,
    entries: Vec<Option<T>>,
}

impl<T> Numbered<T> {
    /// `what` names an entry in messages: `file`.
    pub(crate) fn new(what: &'static str, entries: Vec<T>) -> Self {
        Self { what, entries: entries.into_iter().map(Some).collect() }
    }

    /// Number of the next entry.
    pub(crate) fn next(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn extend(&mut self, entries: Vec<T>) {
        self.entries.extend(entries.into_iter().map(Some));
    }

    /// Forgets all entries before `number`, whose numbers stay taken.
    pub(crate) fn forget_before(&mut self, number: usize) {
        self.entries.iter_mut().take(number).for_each(|entry| *entry = None);
    }

    /// Forgets `number` and all after it, as if they had not been there.
    pub(crate) fn forget_from(&mut self, number: usize) {
        self.entries.truncate(number);
    }

    /// Those that are not forgotten.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    /// Those that are not forgotten.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten()
    }

    pub(crate) fn get(&self, number: u32) -> Result<&T, Refused> {
        let what = self.what;
        let found = usize::try_from(number).ok().and_then(|at| self.entries.get(at));
        let text = match found {
            Some(Some(entry)) => return Ok(entry),
            Some(None) => format!("{what} {number} is not in the configuration any more"),
            None => format!("{what} {number}: the operator named {}, counted from 0", self.entries.len()),
        };
        Err(Refused::Invalid(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_given_to_another_entry_that_is_in_force() {
        let mut numbered = Numbered::new("file", vec!["a", "b"]);
        let next = numbered.next();
        numbered.extend(vec!["c"]);
        numbered.forget_before(next);
        assert_eq!(numbered.get(2), Ok(&"c"));
        assert_eq!(numbered.get(0).unwrap_err().to_string(), "file 0 is not in the configuration any more");
        numbered.extend(vec!["d"]);
        numbered.forget_from(3);
        assert_eq!(numbered.get(3).unwrap_err().to_string(), "file 3: the operator named 3, counted from 0");
        assert_eq!(numbered.get(2), Ok(&"c"));
    }
}
