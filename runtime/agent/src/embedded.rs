//! Components that are part of the program, compiled when it was built.

/// Name and compiled code of each.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Names of the components that are part of the program.
#[must_use]
pub fn embedded_names() -> Vec<&'static str> {
    EMBEDDED.iter().map(|(name, _)| *name).collect()
}

/// The compiled code of one.
pub(crate) fn code(name: &str) -> Option<&'static [u8]> {
    EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}
