//! From a component to machine code, in a process of its own: compilers are large, and their input is hostile.
//!
//! The result is the magic `wca-code`, the length of the [`Description`] as 8 bytes, the description as JSON, and the code.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload};

use crate::description::{DOCS_MOST, DOCS_SECTION, Description, Docs, is_component_name};
use crate::engine;

/// First bytes of compiled code.
pub(crate) const MAGIC: [u8; 8] = *b"wca-code";

/// Number of the form in which a description and its code are written. It is part of what names code in a cache, so that a
/// program of another form does not find it.
pub(crate) const FORMAT: u32 = 2;

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It could not be read.
    #[error("reading the component: {0}")]
    Read(#[source] std::io::Error),
    /// It is larger than the bound.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// It is no WebAssembly at all.
    #[error("it is no WebAssembly component: it starts with {0} instead of 00 61 73 6d 0d 00 01 00")]
    NotWasm(String),
    /// It is a core module.
    #[error(
        "it is a core WebAssembly module, not a component: `wasm-tools component new` makes a component of it, as does a \
         build for wasm32-wasip2"
    )]
    CoreModule,
    /// It is malformed or invalid.
    #[error("it is no valid component: {0}")]
    Invalid(String),
    /// The compiler failed.
    #[error("compiling it: {0}")]
    Compile(String),
    /// The code could not be written.
    #[error("writing the code: {0}")]
    Write(#[source] std::io::Error),
}

/// Reads a component of at most `most` bytes and writes its code: the whole work of the compile child.
///
/// # Errors
/// [`CompileError`] says what is wrong with the component.
pub fn compile_stream(input: impl Read, mut output: impl Write, most: u64) -> Result<(), CompileError> {
    let mut bytes = Vec::new();
    input.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(CompileError::Read)?;
    if bytes.len() as u64 > most {
        return Err(CompileError::TooLarge(most));
    }
    output.write_all(&compile(&bytes, false)?).map_err(CompileError::Write)?;
    output.flush().map_err(CompileError::Write)
}

/// Compiles a component; `portable` code runs on every processor of this architecture, as embedded components must.
///
/// # Errors
/// [`CompileError`] says what is wrong with the component.
pub fn compile(bytes: &[u8], portable: bool) -> Result<Vec<u8>, CompileError> {
    check_form(bytes)?;
    let docs = docs_of(bytes)?;
    let failed = |error: wasmtime::Error| CompileError::Compile(format!("{error:#}"));
    let engine = engine::compiler(portable).map_err(failed)?;
    let code = engine.precompile_component(bytes).map_err(|error| invalid_or_failed(&error))?;
    let description = Description { digest: Sha256::digest(bytes).into(), size: bytes.len() as u64, docs };
    let description =
        serde_json::to_vec(&description).map_err(|error| CompileError::Compile(format!("its description: {error}")))?;
    let mut result = Vec::with_capacity(MAGIC.len() + 8 + description.len() + code.len());
    result.extend_from_slice(&MAGIC);
    result.extend_from_slice(&(description.len() as u64).to_le_bytes());
    result.extend_from_slice(&description);
    result.extend_from_slice(&code);
    Ok(result)
}

fn check_form(bytes: &[u8]) -> Result<(), CompileError> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(CompileError::CoreModule),
        [0, b'a', b's', b'm', version @ ..] => Err(CompileError::Invalid(format!(
            "its encoding is version {}, the known one is 0d 00 01 00",
            hex(&version[..version.len().min(4)])
        ))),
        [] => Err(CompileError::NotWasm("nothing".into())),
        other => Err(CompileError::NotWasm(hex(&other[..other.len().min(8)]))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn invalid_or_failed(error: &wasmtime::Error) -> CompileError {
    match error.chain().find_map(|cause| cause.downcast_ref::<wasmparser::BinaryReaderError>()) {
        Some(invalid) => CompileError::Invalid(invalid.to_string()),
        None => CompileError::Compile(format!("{error:#}")),
    }
}

/// The documentation that the component carries, wherever its toolchain put the section; none is as good.
fn docs_of(bytes: &[u8]) -> Result<Docs, CompileError> {
    let invalid = |error: wasmparser::BinaryReaderError| CompileError::Invalid(error.to_string());
    let mut docs = Docs::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::CustomSection(section) if section.name() == DOCS_SECTION && section.data().len() <= DOCS_MOST => {
                docs = serde_json::from_slice(section.data()).unwrap_or_default();
            }
            Payload::Version { encoding: Encoding::Component | Encoding::Module, .. } => {}
            _ => {}
        }
    }
    docs.name = docs.name.filter(|name| is_component_name(name));
    Ok(docs)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"", "it is no WebAssembly component: it starts with nothing instead of 00 61 73 6d 0d 00 01 00")]
    #[case(b"#!/bin/sh\n", "it is no WebAssembly component: it starts with 23 21 2f 62 69 6e 2f 73 instead")]
    #[case(b"\0asm\x01\0\0\0", "it is a core WebAssembly module, not a component")]
    #[case(b"\0asm\x0e\0\x01\0", "it is no valid component: its encoding is version 0e 00 01 00")]
    #[case(b"\0asm\x0d\0\x01\0\x07\xff", "it is no valid component: ")]
    fn what_is_wrong(#[case] bytes: &[u8], #[case] expected: &str) {
        let error = compile(bytes, false).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn a_component_beyond_the_bound_is_not_read_to_its_end() {
        let endless = std::io::repeat(0);
        let error = compile_stream(endless, std::io::sink(), 1000).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 1000 bytes");
    }
}
