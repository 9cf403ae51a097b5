//! What is wrong with a pattern.

/// What is wrong with a pattern or with a replacement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It breaks a rule, or it says something that is not to be had.
    #[error("{what} (at character {at})")]
    Syntax {
        /// What is wrong.
        what: String,
        /// Number of the character, the first being 1.
        at: usize,
    },
    /// The engine cannot take it.
    #[error("it cannot be used: {0}")]
    Engine(String),
}

/// A text took too long to search: the pattern has too many ways to match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern has too many ways to match this text")]
pub struct TooCostly;
