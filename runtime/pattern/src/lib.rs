//! Regular expressions as an operator writes them: with the syntax and the meaning of Python's module `re`
//! (<https://docs.python.org/3.11/library/re.html>), since that is what configuration files are written in.
//!
//! A pattern is read by the rules of Python and handed to another engine in words that mean the same there, so that what
//! Python refuses is refused here too, and what the other engine would take for something else (`$`, `\Z`, `\w`, `\b`, `{`,
//! sets within sets) means what it means in Python. Everything is there, groups and references by number and name,
//! lookaround, atomic groups, possessive repetition, conditions and inline flags included, but for:
//! - `\N{NAME}`, characters by their names,
//! - the flags `a` and `i` together, and the flag `L`, which Python takes for bytes alone.
//!
//! Two things are not the same. Lookbehind takes alternatives of several lengths, of which Python wants one length. And where
//! a group that can match nothing is repeated, as in `(a*)*`, it has its last match with characters, of which Python has the
//! empty one behind it.
//!
//! Which characters are letters or digits depends on the version of Unicode; there may be differences at its edges.

mod error;
mod escape;
mod flags;
mod group;
mod pattern;
mod quantifier;
mod reader;
mod set;
mod substitution;
mod translate;

pub use error::{PatternError, TooCostly};
pub use pattern::Pattern;
pub use substitution::Substitution;
