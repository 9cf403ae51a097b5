//! The configuration file: whether it may be trusted, and what stands in it.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wca_warden::open_to_read;

/// Most bytes of a configuration file.
const MOST: u64 = 16 << 20;

/// Reads a configuration file that nobody else could have written.
///
/// # Errors
/// Where it cannot be read, belongs to somebody else than the user who starts WCA (root takes any file), or can be written by
/// everybody.
pub(crate) fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    let mut file = open_to_read(path).with_context(|| format!("{shown}: it cannot be opened"))?;
    let found = file.metadata().with_context(|| shown.to_string())?;
    if !found.is_file() {
        bail!("{shown}: this is no file; a configuration is a file such as config.yaml");
    }
    let user = rustix::process::getuid();
    if !user.is_root() && found.uid() != user.as_raw() {
        let (owner, user) = (found.uid(), user.as_raw());
        bail!(
            "{shown}: it belongs to user {owner}, and WCA is started by user {user}; only its owner or root may start WCA with it"
        );
    }
    if found.mode() & 0o002 != 0 {
        bail!(
            "{shown}: everybody may write it (mode {:o}); take that right away: chmod o-w {shown}",
            found.mode() & 0o7777
        );
    }
    if found.len() > MOST {
        bail!("{shown}: it has {} bytes; a configuration has {MOST} at most", found.len());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(|| format!("{shown}: reading it"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes().get(..at).map_or(1, |before| before.split(|byte| *byte == b'\n').count());
            bail!("{shown}:{line}: a configuration is written in UTF-8; the byte {at} is none of it")
        }
    }
}
