//! Components that are part of the program, compiled when it was built.

use wca_config::{KnownGuest, Role};

/// A component that is part of the program.
#[derive(Debug)]
pub(crate) struct EmbeddedComponent {
    /// Its name, which is its tag.
    pub(crate) name: &'static str,
    /// What it is used as.
    role: Role,
    /// SHA-256 of the component.
    digest: [u8; 32],
    code: &'static [u8],
}

const EMBEDDED: &[EmbeddedComponent] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The components that are part of the program.
pub(crate) fn embedded_components() -> &'static [EmbeddedComponent] {
    EMBEDDED
}

/// Names of the components that are part of the program.
#[must_use]
pub fn embedded_names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|component| component.name).collect()
}

/// These components, and those that are part of the program where none of these has their tag.
#[must_use]
pub fn with_embedded(mut known: Vec<KnownGuest>) -> Vec<KnownGuest> {
    for embedded in EMBEDDED {
        if known.iter().all(|guest| guest.tag != embedded.name) {
            known.push(KnownGuest { tag: embedded.name.into(), role: Some(embedded.role) });
        }
    }
    known
}

/// SHA-256 of the component of this name.
#[must_use]
pub fn embedded_digest(name: &str) -> Option<[u8; 32]> {
    EMBEDDED.iter().find(|component| component.name == name).map(|component| component.digest)
}

/// The compiled code of one.
pub(crate) fn code(name: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|component| component.name == name).map(|component| component.code)
}
