//! What the compile child tells of a component besides its code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the custom section in which a component carries its documentation as JSON ([`Docs`]).
pub const DOCS_SECTION: &str = "wca-docs";

/// Most bytes of that section.
pub(crate) const DOCS_MOST: usize = 64 * 1024;

/// What is known of a component besides its code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// SHA-256 of the component's bytes.
    pub digest: [u8; 32],
    /// Number of its bytes.
    pub size: u64,
    /// What its author says of it.
    pub docs: Docs,
}

/// What the author says of a component. Written by whoever built it: text to show, and nothing to rely on. That an argument
/// is a file gives no right: which files there are, the operator says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Docs {
    /// Its name, as it stands in YAML.
    pub name: Option<String>,
    /// One line.
    pub help: String,
    /// The parameters of `configure`, by their names; fields of records as `limits.low`.
    pub parameters: BTreeMap<String, ParameterDocs>,
}

/// What the author says of a parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParameterDocs {
    /// What it is.
    pub help: String,
    /// The value that is taken where none is given, as text.
    pub default: Option<String>,
    /// Whether the operator writes the path of a file, and what stands in that is the value.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
}

impl Description {
    /// The digest as text.
    #[must_use]
    pub fn digest_text(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether `name` can stand as a tag in YAML and as a name in logs: `[A-Za-z][A-Za-z0-9_-]{0,63}`.
pub(crate) fn is_component_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::FORMAT;

    /// Where this text has to change, `FORMAT` has to change with it, and here too.
    #[test]
    fn the_form_belongs_to_its_number() {
        let parameter = ParameterDocs { help: "h".into(), default: Some("1".into()), file: true };
        let docs = Docs { name: Some("N".into()), help: "H".into(), parameters: [("p".into(), parameter)].into() };
        let description = Description { digest: [7; 32], size: 3, docs };
        let digest = ["7"; 32].join(",");
        let expected = format!(
            r#"{{"digest":[{digest}],"size":3,"docs":{{"name":"N","help":"H","parameters":{{"p":{{"help":"h","default":"1","file":true}}}}}}}}"#
        );
        assert_eq!((FORMAT, serde_json::to_string(&description).unwrap()), (2, expected));
    }
}
