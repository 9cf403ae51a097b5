//! Files that arguments of WebAssembly components name. Which argument is a file, the component says; which files there are, the
//! operator.

use crate::node::{Content, Node};
use crate::reading::check_file;
use crate::scalar::Scalar;

/// Whether a value can be the path of a file.
///
/// # Errors
/// What it must be: the text follows the name of the argument.
pub fn check_file_path(value: &Scalar) -> Result<(), String> {
    check_file(value)
}

/// Every text among the arguments of a component, not within lists and mappings, that can be the path of a file.
pub fn possible_files(arguments: &Node) -> impl Iterator<Item = &str> {
    let entries = match &arguments.content {
        Content::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().filter_map(|entry| match &entry.value.content {
        Content::Scalar(value) if check_file(value).is_ok() => Some(value.text.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::parse::parse;

    #[rstest]
    #[case("{a: rules.yaml, b: /etc/x, c: 'x y'}", &["rules.yaml", "/etc/x", "x y"])]
    #[case("{a: 1, b: 0.5, c: true, d: null, e: , f: ''}", &[])]
    #[case("{a: ../x, b: [in a list], c: {in: a mapping}, d: '1'}", &["1"])]
    #[case("", &[])]
    #[case("[x]", &[])]
    fn texts_that_can_be_paths(#[case] yaml: &str, #[case] expected: &[&str]) {
        let node = parse(yaml, "c.yaml").unwrap();
        assert_eq!(possible_files(&node).collect::<Vec<_>>(), expected);
    }

    #[rstest]
    #[case("1", "must be a path, but this is the integer 1")]
    #[case("../x", "must be a path without `..`")]
    fn what_is_no_path_is_told(#[case] yaml: &str, #[case] expected: &str) {
        let Content::Scalar(value) = parse(yaml, "c.yaml").unwrap().content.clone() else { panic!("{yaml}") };
        assert_eq!(check_file_path(&value).unwrap_err(), expected);
    }
}
