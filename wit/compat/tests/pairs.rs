//! Pairs of versions: `old.wit`, `new.wit`, and what is said of them in `said.txt`.

use std::path::Path;
use wca_wit_compat::{Verdict, compare};

/// Everything that is said of a pair.
fn said(verdict: &Verdict) -> String {
    let lines = std::iter::once(format!("added: {}", verdict.added())).chain(verdict.breaks.iter().cloned());
    lines.map(|line| line + "\n").collect()
}

#[test]
fn every_pair_is_judged_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs");
    let mut pairs = 0;
    for pair in std::fs::read_dir(folder).unwrap() {
        let pair = pair.unwrap().path();
        let [old, new, wanted] = ["old.wit", "new.wit", "said.txt"].map(|name| {
            let path = pair.join(name);
            std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display())).unwrap()
        });
        assert_eq!(said(&compare(&old, &new).unwrap()), wanted, "{}", pair.display());
        pairs += 1;
    }
    assert!(pairs >= 21, "only {pairs} pairs");
}

#[test]
fn the_contract_serves_itself() {
    let contract = include_str!("../../policy.wit");
    assert_eq!(said(&compare(contract, contract).unwrap()), "added: nothing\n");
}

#[test]
fn a_text_that_is_no_wit_is_an_error() {
    assert!(compare("package a:b@0.1.0;", "interface").is_err());
}
