//! Policies as the warden knows them: by their name, and by what they are made of.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context, Result, anyhow};
use sha2::{Digest as _, Sha256};
use wca_agent::embedded_digest;
use wca_agent::settings::ComponentSource;
use wca_control::Policy;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// A policy with these arguments, whose component is one of these; those that are files are in `files`, counted from `first`.
///
/// Its digest is the same after a new start and after an upgrade of WCA, unless component or arguments have changed.
///
/// # Errors
/// Where the component cannot be read.
pub(crate) fn policy(
    name: &str,
    components: &[&ComponentSource],
    arguments: &str,
    first: u32,
    files: &[(String, File)],
) -> Result<Policy> {
    let mut digest = Sha256::new();
    for component in components {
        digest.update(of_component(component, first, files)?);
    }
    digest.update(arguments.as_bytes());
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Policy { name: name.to_owned(), digest })
}

fn of_component(component: &ComponentSource, first: u32, files: &[(String, File)]) -> Result<[u8; 32]> {
    match component {
        ComponentSource::Embedded { name } => {
            embedded_digest(name).ok_or_else(|| anyhow!("{name}: there is no such built-in component"))
        }
        ComponentSource::File { file, path } => {
            let at = file.checked_sub(first).map(|at| at as usize);
            let (_, file) = at.and_then(|at| files.get(at)).with_context(|| format!("{path}: it is not open"))?;
            of_file(file).with_context(|| format!("{path}: reading it"))
        }
    }
}

/// SHA-256 of a file, whose position stays where it is. What is no regular file is refused later, by who reads it.
fn of_file(file: &File) -> Result<[u8; 32]> {
    let mut digest = Sha256::new();
    if file.metadata()?.is_file() {
        let (mut bytes, mut at) = (vec![0; CHUNK], 0);
        loop {
            let count = file.read_at(&mut bytes, at)?;
            let Some(read) = bytes.get(..count).filter(|read| !read.is_empty()) else { break };
            digest.update(read);
            at += count as u64;
        }
    }
    Ok(digest.finalize().into())
}

/// Gives each policy a name of its own, as the agent does: the values of one must not be taken for another's.
pub(crate) fn named_apart(mut policies: Vec<Policy>) -> Vec<Policy> {
    for at in 1..policies.len() {
        let (before, rest) = policies.split_at_mut(at);
        let Some(own) = rest.first_mut() else { break };
        let is_taken = |name: &str| before.iter().any(|other| other.name == name);
        if is_taken(&own.name) {
            let names = (2..).map(|number| format!("{}-{number}", own.name));
            own.name = names.into_iter().find(|name| !is_taken(name)).unwrap_or_default();
        }
    }
    policies
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn of(bytes: &[u8], arguments: &str) -> Policy {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let source = ComponentSource::File { file: 3, path: "x.wasm".into() };
        policy("X", &[&source], arguments, 3, &[("x.wasm".into(), file)]).unwrap()
    }

    #[test]
    fn a_policy_is_the_same_as_long_as_its_component_and_its_arguments_are() {
        assert_eq!(of(b"component", "{}"), of(b"component", "{}"));
        assert_ne!(of(b"component", "{}").digest, of(b"component!", "{}").digest);
        assert_ne!(of(b"component", "{}").digest, of(b"component", "{\"a\": \"1\"}").digest);
        assert_eq!(of(b"component", "{}").digest.len(), 64);
    }

    #[test]
    fn a_built_in_one_is_known_by_its_component() {
        let source = |name: &str| ComponentSource::Embedded { name: name.into() };
        let allocator = policy("NOPAllocator", &[&source("NOPAllocator")], "", 0, &[]).unwrap();
        let detector = policy("NOPAnomalyDetector", &[&source("NOPAnomalyDetector")], "", 0, &[]).unwrap();
        assert_ne!(allocator.digest, detector.digest);
        let told = policy("Nobody", &[&source("Nobody")], "", 0, &[]).unwrap_err().to_string();
        assert_eq!(told, "Nobody: there is no such built-in component");
    }

    #[test]
    fn reading_a_component_leaves_it_where_it_was() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 3 * CHUNK]).unwrap();
        assert_eq!(of_file(&file).unwrap(), <[u8; 32]>::from(Sha256::digest([7; 3 * CHUNK])));
        assert_eq!(file.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn two_of_one_name_are_told_apart() {
        let one = |name: &str| Policy { name: name.into(), digest: String::new() };
        let names = named_apart(vec![one("A"), one("A"), one("B"), one("A-2"), one("A")]);
        let names: Vec<&str> = names.iter().map(|policy| policy.name.as_str()).collect();
        assert_eq!(names, ["A", "A-2", "B", "A-2-2", "A-3"]);
    }
}
