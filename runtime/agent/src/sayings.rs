//! Failures on their way to the log: each once, and again when it has doubled in number.

use std::collections::VecDeque;

use wca_sandbox::PolicyName;

/// Texts that are remembered of one policy: one that fails in ever new words must not fill the memory.
const REMEMBERED: usize = 16;

/// What was said of one policy, and how often it happened since.
#[derive(Default)]
pub(crate) struct Sayings(VecDeque<(String, u64)>);

impl Sayings {
    /// Says it where it is new, or has happened twice as often as when it was said last.
    pub(crate) fn say(&mut self, policy: &PolicyName, text: &str) {
        match self.count(text) {
            1 => tracing::warn!("[{policy}] {text}"),
            times if times.is_power_of_two() => tracing::warn!("[{policy}] {text} ({times} times)"),
            _ => {}
        }
    }

    fn count(&mut self, text: &str) -> u64 {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| known == text) {
            *count += 1;
            return *count;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((text.to_owned(), 1));
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted_and_of_many_the_latest_are_remembered() {
        let mut sayings = Sayings::default();
        assert_eq!([sayings.count("a"), sayings.count("b"), sayings.count("a")], [1, 1, 2]);
        for number in 0..100 {
            sayings.count(&number.to_string());
        }
        assert_eq!(sayings.0.len(), REMEMBERED);
        assert_eq!((sayings.count("99"), sayings.count("a")), (2, 1));
    }
}
