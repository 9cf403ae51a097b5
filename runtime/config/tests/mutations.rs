//! Whatever a file holds, reading it ends with a configuration or with errors that can be shown.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use wca_config::{KnownGuest, Role, Surroundings, describe_components, load, parse_logger, render};

/// What a mutation puts in.
const PIECES: [&str; 24] = [
    "!LogStorage",
    "!MeasurementRunner",
    "!Env A",
    "!X ",
    "&a ",
    "*a",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "\t",
    "  ",
    "'",
    "\"",
    "null",
    "1",
    ".nan",
    "é日本",
    "\r",
    "!!python/name:a ",
    "\0",
];

fn read(text: &str) {
    for other_guests in [false, true] {
        let guests = [KnownGuest { tag: "NOPAllocator".into(), role: Some(Role::Allocator) }];
        let around = Surroundings {
            source: "c.yaml",
            environment: &|name| Some(name.repeat(2)),
            readable: &|path| if path.len().is_multiple_of(2) { Ok(()) } else { Err("no".into()) },
            guests: &guests,
            other_guests,
        };
        if let Err(errors) = load(text, &around) {
            assert!(!errors.errors.is_empty());
            assert!(!render(&errors, text).is_empty());
        }
    }
}

/// The files of the pairs, right and wrong.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs");
    let mut texts = Vec::new();
    for folder in [folder.join("good"), folder] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts.sort();
    texts
});

/// Replaces some characters at a place by a piece.
fn mutated(text: &str, edits: &[(usize, usize, usize)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (at, removed, piece) in edits {
        let start = at % (characters.len() + 1);
        let end = (start + removed).min(characters.len());
        characters.splice(start..end, PIECES[*piece].chars());
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<usize>(), 0..6_usize, 0..PIECES.len()), 1..6),
    ) {
        read(&mutated(which.get::<String>(&CORPUS), &edits));
    }

    #[test]
    fn pieces(pieces in prop::collection::vec(0..PIECES.len(), 0..40)) {
        read(&pieces.into_iter().map(|piece| PIECES[piece]).collect::<String>());
    }

    #[test]
    fn any_text(text in any::<String>()) {
        read(&text);
        let _ = parse_logger(&text);
    }
}

#[test]
fn a_description_ends_with_a_line_break() {
    assert!(describe_components(&[]).ends_with('\n'));
}
