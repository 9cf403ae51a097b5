//! The values that an operator writes, each with the place where it was written.
//!
//! YAML 1.2 in files and on the command line (`--set key=value`) becomes a tree of [`Node`]s. Nothing is converted here: a
//! scalar stays the text that was written, with a mark whether it was quoted, until somebody knows which type is wanted.

mod node;
mod parse;
mod quantity;
mod scalar;

pub use node::{Content, Entry, Node, Place};
pub use parse::{ParseError, parse, parse_value};
pub use quantity::{QuantityError, parse_bytes, parse_count, parse_duration};
pub use scalar::Scalar;
