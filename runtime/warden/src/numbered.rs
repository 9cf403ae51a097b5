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
    ///
    /// # Errors
    /// [`Refused::Failed`] where there are no numbers left.
    pub(crate) fn next(&self) -> Result<u32, Refused> {
        let too_many = |_| Refused::Failed(format!("too many {}s in one life", self.what));
        u32::try_from(self.entries.len()).map_err(too_many)
    }

    pub(crate) fn extend(&mut self, entries: Vec<T>) {
        self.entries.extend(entries.into_iter().map(Some));
    }

    /// Forgets all entries before `number`, whose numbers stay taken.
    pub(crate) fn forget_before(&mut self, number: u32) {
        self.entries.iter_mut().take(number as usize).for_each(|entry| *entry = None);
    }

    /// Forgets `number` and all after it, as if they had not been there.
    pub(crate) fn forget_from(&mut self, number: u32) {
        self.entries.truncate(number as usize);
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
        let found = self.entries.get(number as usize).and_then(Option::as_ref);
        found.ok_or_else(|| absent(self.what, number, self.entries.len()))
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Result<&mut T, Refused> {
        let (what, count) = (self.what, self.entries.len());
        let found = self.entries.get_mut(number as usize).and_then(Option::as_mut);
        found.ok_or_else(|| absent(what, number, count))
    }
}

fn absent(what: &str, number: u32, count: usize) -> Refused {
    Refused::Invalid(if (number as usize) < count {
        format!("{what} {number} is not in the configuration any more")
    } else {
        format!("{what} {number}: the operator named {count}, counted from 0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_given_to_another_entry_that_is_in_force() {
        let mut numbered = Numbered::new("file", vec!["a", "b"]);
        let next = numbered.next().unwrap();
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
