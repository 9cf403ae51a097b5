//! What stands around a file while it is read.

use crate::model::Role;

/// What stands around a file while it is read. Whatever the file asks of the machine is asked here.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Path of the file, for messages.
    pub source: &'a str,
    /// The value of an environment variable, for `!Env NAME`; one that is not set stands for the empty text.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Judges a path that must be readable; the error is the reason why it is not.
    pub readable: &'a dyn Fn(&str) -> Result<(), String>,
    /// WebAssembly components that the file can name.
    pub guests: &'a [KnownGuest],
    /// Whether there are components of which the tags are not known yet: then every unknown tag is one of theirs.
    pub other_guests: bool,
}

/// A WebAssembly component that a file can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownGuest {
    /// Its tag, without `!`.
    pub tag: String,
    /// What it is; `None`: not known yet, so that it can stand anywhere.
    pub role: Option<Role>,
}
