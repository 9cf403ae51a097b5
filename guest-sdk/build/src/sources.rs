//! Of what a guest is made: the files that matter, and their digest.

use crate::guest::{Guest, Repository};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

/// What no guest is made of: products, tests and words for people.
const LEFT_OUT: [&str; 6] = ["target", "tests", "build", "node_modules", "__pycache__", "README.md"];

/// SHA-256 of names and contents of everything of which the guest is made: its folder, the folders that its `Cargo.toml`
/// names as `path = "…"` and theirs, and the contract.
pub(crate) fn digest(repository: &Repository, guest: &Guest) -> Result<String> {
    let mut folders = BTreeSet::new();
    follow(repository, guest, &guest.folder(repository), &mut folders)?;
    let mut files = BTreeSet::from([repository.root.join("wit/policy.wit")]);
    for folder in &folders {
        list(folder, &mut files)?;
    }
    let mut digest = Sha256::new();
    for file in files {
        let content = std::fs::read(&file).with_context(|| format!("{guest}: cannot read {}", file.display()))?;
        let name = file.strip_prefix(&repository.root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        digest.update(format!("{name}\n{}\n", content.len()));
        digest.update(content);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// SHA-256 of a file's bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Adds a folder and those that it depends on.
fn follow(repository: &Repository, guest: &Guest, folder: &Path, into: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !into.insert(folder.to_owned()) {
        return Ok(());
    }
    let manifest = folder.join("Cargo.toml");
    let Ok(text) = std::fs::read_to_string(&manifest) else { return Ok(()) };
    for path in text.split("path = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let target = normal(&folder.join(path));
        if target.is_file() {
            // `[lib] path`, which lies in the folder.
            continue;
        }
        if !target.is_dir() || !target.starts_with(&repository.root) {
            bail!("{guest}: {} names `{path}`, which is no folder of this project", manifest.display());
        }
        follow(repository, guest, &target, into)?;
    }
    Ok(())
}

/// A path without `..`, in words alone: what is named need not exist.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

fn list(folder: &Path, into: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().with_context(|| format!("cannot open {}", entry.path().display()))?;
        if LEFT_OUT.contains(&&*name) || name.starts_with('.') || name.ends_with(".wasm") || name.ends_with(".wasm.new")
        {
            continue;
        }
        if kind.is_dir() {
            // A crate in a crate's folder counts where somebody depends on it.
            if !entry.path().join("Cargo.toml").is_file() {
                list(&entry.path(), into)?;
            }
        } else if kind.is_file() {
            into.insert(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::tests::project;

    #[test]
    fn the_digest_follows_what_the_guest_is_made_of() {
        let (folder, repository) = project(&[
            ("components/a/Cargo.toml", "[dependencies]\nwca-guest = { path = \"../../guest-sdk/rust\" }\n"),
            ("components/a/src/lib.rs", "one"),
            ("guest-sdk/rust/Cargo.toml", "wca-guest-macros = { path = \"macros\" }"),
            ("guest-sdk/rust/macros/Cargo.toml", ""),
            ("guest-sdk/rust/macros/src/lib.rs", ""),
        ]);
        let guest = &repository.guests().unwrap()[0];
        let change = |path: &str| {
            let before = digest(&repository, guest).unwrap();
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "changed").unwrap();
            before != digest(&repository, guest).unwrap()
        };
        for path in
            ["components/a/src/lib.rs", "components/a/Cargo.lock", "guest-sdk/rust/macros/src/lib.rs", "wit/policy.wit"]
        {
            assert!(change(path), "{path}");
        }
        for path in
            ["components/a/a.wasm", "components/a/README.md", "components/a/target/x", "guest-sdk/rust/tests/x.rs"]
        {
            assert!(!change(path), "{path}");
        }
    }

    #[test]
    fn a_dependency_outside_is_refused_by_name() {
        let (_folder, repository) = project(&[("components/a/Cargo.toml", "x = { path = \"../../../x\" }")]);
        let error = digest(&repository, &repository.guests().unwrap()[0]).unwrap_err().to_string();
        assert!(error.starts_with("components/a: ") && error.contains("names `../../../x`"), "{error}");
    }

    #[test]
    fn sha256_is_that_of_everybody() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
