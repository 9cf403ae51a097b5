//! Components that are part of the program, compiled when it was built.

use wca_config::Role;

/// A component that is part of the program.
#[derive(Debug)]
pub struct EmbeddedComponent {
    /// Its name, which is its tag.
    pub name: &'static str,
    /// What it is used as.
    pub role: Role,
    code: &'static [u8],
}

const EMBEDDED: &[EmbeddedComponent] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The components that are part of the program.
#[must_use]
pub fn embedded_components() -> &'static [EmbeddedComponent] {
    EMBEDDED
}

/// Names of the components that are part of the program.
#[must_use]
pub fn embedded_names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|component| component.name).collect()
}

/// The compiled code of one.
pub(crate) fn code(name: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|component| component.name == name).map(|component| component.code)
}
