//! Components that the command line registers: `-r NAME=X.wasm`, or `-r X.wasm`.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wca_agent::settings::ComponentSource;
use wca_warden::open_to_read;

/// A component that is registered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The tag by which a file names it; none: its own name.
    pub(crate) tag: Option<String>,
    /// Its file.
    pub(crate) path: String,
}

/// Reads the value of `-r`.
///
/// # Errors
/// What it is instead, and what would be right.
pub(crate) fn register(text: &str) -> Result<Named> {
    if let Some((tag, path)) = text.split_once('=').filter(|(tag, _)| is_identifier(tag)) {
        if path.is_empty() {
            bail!("-r {text}: the component's file is missing; write {tag}=X.wasm");
        }
        return Ok(Named { tag: Some(tag.into()), path: path.into() });
    }
    if let Some(class) = python_class(text).filter(|_| !Path::new(text).exists()) {
        bail!(
            "-r {text}: this is a class in a Python module, and Python is not loaded into WCA. Build a component that does \
             the same, as docs/extending.md shows for each kind, and register it as -r {class}=X.wasm"
        );
    }
    Ok(Named { tag: None, path: text.into() })
}

/// The class of `package.module:Class`.
fn python_class(text: &str) -> Option<&str> {
    let (module, class) = text.split_once(':')?;
    (module.split('.').all(is_identifier) && is_identifier(class)).then_some(class)
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}

/// Opens a component's file, which is handed on by its number: that of the first file, and those that are open before it.
///
/// # Errors
/// Where it cannot be opened, or is no file.
pub(crate) fn open_component(path: &str, first: u32, files: &mut Vec<(String, File)>) -> Result<ComponentSource> {
    let file = open_to_read(path).with_context(|| format!("{path}: it cannot be opened"))?;
    let found = file.metadata().with_context(|| path.to_owned())?;
    if found.is_dir() {
        bail!("{path}: this is a folder; a component is a file such as {}.wasm", path.trim_end_matches('/'));
    }
    if !found.is_file() {
        bail!("{path}: this is no regular file; a component is read from one");
    }
    let number = u32::try_from(files.len()).context("too many files")?;
    files.push((path.to_owned(), file));
    Ok(ComponentSource::File { file: first + number, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_registered_by_tag_and_file_or_by_its_file() {
        let named = |tag: Option<&str>, path: &str| Named { tag: tag.map(str::to_owned), path: path.into() };
        let cases = [
            ("HTTPStorage=x/http.wasm", named(Some("HTTPStorage"), "x/http.wasm")),
            ("x/http.wasm", named(None, "x/http.wasm")),
            ("x=y/http=1.wasm", named(Some("x"), "y/http=1.wasm")),
            ("./a=b.wasm", named(None, "./a=b.wasm")),
        ];
        for (text, expected) in cases {
            assert_eq!(register(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        let cases = [
            ("HTTPStorage=", "-r HTTPStorage=: the component's file is missing; write HTTPStorage=X.wasm"),
            (
                "package.http_storage:HTTPStorage",
                "-r package.http_storage:HTTPStorage: this is a class in a Python module, and Python is not loaded into WCA. \
                 Build a component that does the same, as docs/extending.md shows for each kind, and register it as \
                 -r HTTPStorage=X.wasm",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(register(text).unwrap_err().to_string(), expected);
        }
    }
}
