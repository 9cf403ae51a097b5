//! Custom sections: finding, taking and adding them. Modules and components are framed alike.

use anyhow::{Context, Result, bail};
use std::ops::Range;

/// The name of the section with a component's help.
pub(crate) const DOCS: &str = "wca-docs";

/// Magic number and version.
const HEADER: usize = 8;

/// Whether these bytes are a component, and not a core module.
pub(crate) fn is_component(wasm: &[u8]) -> Result<bool> {
    match wasm.get(..HEADER) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Ok(false),
        Some([0, b'a', b's', b'm', _, 0, 1, 0]) => Ok(true),
        _ => bail!("neither a WebAssembly module nor a component"),
    }
}

/// The binary without its sections of this name, and the content of the first.
pub(crate) fn take(wasm: &[u8], name: &str) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let mut rest = wasm.get(..HEADER).context("too short for WebAssembly")?.to_vec();
    let mut found = None;
    let mut at = HEADER;
    while at < wasm.len() {
        let (id, content, end) = section(wasm, at)?;
        let named = if id == 0 { Some(custom(wasm, content)?) } else { None };
        match named {
            Some((own, data)) if own == name.as_bytes() => {
                found.get_or_insert_with(|| data.to_vec());
            }
            _ => rest.extend_from_slice(&wasm[at..end]),
        }
        at = end;
    }
    Ok((rest, found))
}

/// Adds a section at the end.
pub(crate) fn add(wasm: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut content = Vec::new();
    number(name.len(), &mut content);
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    wasm.push(0);
    number(content.len(), wasm);
    wasm.extend_from_slice(&content);
}

/// The section that begins here: its id, its content, and where the next begins.
fn section(wasm: &[u8], at: usize) -> Result<(u8, Range<usize>, usize)> {
    let (size, start) = read_number(wasm, at + 1)?;
    let end = start.checked_add(size).filter(|end| *end <= wasm.len()).context("a section ends beyond the file")?;
    Ok((wasm[at], start..end, end))
}

/// Name and data of a custom section.
fn custom(wasm: &[u8], content: Range<usize>) -> Result<(&[u8], &[u8])> {
    let (length, start) = read_number(wasm, content.start)?;
    let end = start.checked_add(length).filter(|end| *end <= content.end).context("a section's name ends beyond it")?;
    Ok((&wasm[start..end], &wasm[end..content.end]))
}

/// LEB128, at most 32 bits: the number and where it ends.
fn read_number(wasm: &[u8], mut at: usize) -> Result<(usize, usize)> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = *wasm.get(at).context("the file ends within a number")?;
        value |= u64::from(byte & 0x7f) << shift;
        at += 1;
        if byte & 0x80 == 0 {
            return Ok((usize::try_from(value)?, at));
        }
    }
    bail!("a number of more than 32 bits")
}

fn number(mut value: usize, into: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            return into.push(low);
        }
        into.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_taken_again() {
        let plain = wat::parse_str("(module (func) (@custom \"other\" \"x\"))").unwrap();
        let mut more = plain.clone();
        let long = "x".repeat(300);
        add(&mut more, DOCS, long.as_bytes());
        add(&mut more, DOCS, b"again");
        let (rest, found) = take(&more, DOCS).unwrap();
        assert_eq!(rest, plain);
        assert_eq!(found.as_deref(), Some(long.as_bytes()));
        assert_eq!(take(&plain, DOCS).unwrap(), (plain, None));
    }

    #[test]
    fn modules_are_told_from_components_and_both_from_the_rest() {
        assert!(!is_component(&wat::parse_str("(module)").unwrap()).unwrap());
        assert!(is_component(&wat::parse_str("(component)").unwrap()).unwrap());
        assert!(is_component(b"#!/bin/sh").is_err());
        let mut cut = wat::parse_str("(module (func))").unwrap();
        cut.truncate(cut.len() - 1);
        assert_eq!(take(&cut, DOCS).unwrap_err().to_string(), "a section ends beyond the file");
    }
}
