//! `wca-wit-compat`: compares the contract with its last released version.

use anyhow::{Context, Result, bail};
use semver::Version;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Where a stream cannot be written, the code still says it.
    match run() {
        Ok(said) => {
            let _ = writeln!(std::io::stdout().lock(), "{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String> {
    let here = std::env::current_dir().context("cannot name the current folder")?;
    let root = here.ancestors().find(|folder| folder.join("wit/policy.wit").is_file());
    let root = root.with_context(|| format!("{} lies in no folder with wit/policy.wit", here.display()))?;
    let current = root.join("wit/policy.wit");
    let Some((version, released)) = last_released(&root.join("wit/released"))? else {
        return Ok("wit/policy.wit: no version is released yet, so anything may change".to_owned());
    };
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let verdict = wca_wit_compat::compare(&read(&released)?, &read(&current)?)?;
    if verdict.breaks.is_empty() {
        return Ok(format!("wit/policy.wit serves components built for {version}; added: {}", verdict.added()));
    }
    bail!("wit/policy.wit would no longer serve components built for {version}:\n{}", verdict.breaks.join("\n"));
}

/// The file of the highest version in a folder with a folder per version.
fn last_released(folder: &Path) -> Result<Option<(Version, PathBuf)>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
    let mut last = None;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || !path.is_dir() {
            continue;
        }
        let version =
            Version::parse(&name).with_context(|| format!("{}: a folder is named by a version", path.display()))?;
        last = last.max(Some((version, path.join("policy.wit"))));
    }
    Ok(last)
}
