//! Loading machine code: the one place where bytes become instructions of this process.

#![allow(unsafe_code, reason = "loading compiled code; see the reasons below")]

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::MAGIC;
use crate::description::Description;

/// What helps where the code came out of a cache.
const REMEDY: &str = "`--no-cache` compiles it anew, and where that helps the folder of the cache can be deleted";

/// Compiled code could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    /// The bytes are something else.
    #[error("its compiled code is malformed: {REMEDY}")]
    Malformed,
    /// It is for another engine.
    #[error("its compiled code does not fit this engine ({0:#}): {REMEDY}")]
    Engine(wasmtime::Error),
}

/// Loads what [`crate::compile::compile`] wrote.
///
/// # Errors
/// [`CodeError`] where it is something else, or for another engine, configuration or processor.
pub(crate) fn load(engine: &Engine, compiled: &[u8]) -> Result<(Description, Component), CodeError> {
    let rest = compiled.strip_prefix(&MAGIC).ok_or(CodeError::Malformed)?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(CodeError::Malformed)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| CodeError::Malformed)?;
    let (description, code) = rest.split_at_checked(length).ok_or(CodeError::Malformed)?;
    let description = serde_json::from_slice(description).map_err(|_| CodeError::Malformed)?;
    // SAFETY: the code was written by the compile child of this same program, and reached this process either in memory that
    // the warden sealed at once, or from a cache whose folder only its user can write and whose entries are authenticated,
    // or it was compiled when this program was built. The engine checks that version, configuration and processor fit.
    let component = unsafe { Component::deserialize(engine, code) }.map_err(CodeError::Engine)?;
    Ok((description, component))
}
