//! Compares two versions of the contract.
//!
//! A component names what it imports with its whole type, and a host links it only where the types are the same. So everything that
//! one version has must be in the next, letter by letter; what is new hurts nobody, but for an export that a world asks for in
//! addition, since the components built before do not have it.

mod items;

use anyhow::{Context, Result};
use items::{Item, Kind};
use semver::Version;
use std::collections::BTreeMap;

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is new, by name.
    pub additions: Vec<String>,
    /// What components built before would stumble over, one text each.
    pub breaks: Vec<String>,
}

impl Verdict {
    /// What is new, in one line.
    pub fn added(&self) -> String {
        if self.additions.is_empty() { "nothing".to_owned() } else { self.additions.join(", ") }
    }
}

/// Compares the texts of two versions.
///
/// # Errors
/// A text that is no WIT.
pub fn compare(released: &str, current: &str) -> Result<Verdict> {
    let (old_version, old) = items::read("released", released).context("the released version")?;
    let (new_version, new) = items::read("wit/policy.wit", current).context("the current version")?;
    let mut verdict = Verdict::default();
    for (name, item) in &old {
        match new.get(name) {
            None => verdict.breaks.push(format!("{name}: gone\n  was: {}", item.text)),
            Some(now) if now.text != item.text => {
                verdict.breaks.push(format!("{name}: changed\n  was: {}\n  is:  {}", item.text, now.text));
            }
            Some(_) => {}
        }
    }
    for (name, item) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        match world_of(item, &old) {
            Some(world) => verdict.breaks.push(format!(
                "{name}: a new export of the released {world}, which components built before do not have\n  is:  {}",
                item.text
            )),
            None => verdict.additions.push(name.clone()),
        }
    }
    verdict.breaks.extend(version(&old_version, &new_version, !verdict.additions.is_empty()));
    Ok(verdict)
}

/// The world that asks for an export, where it was there before.
fn world_of<'a>(item: &'a Item, old: &BTreeMap<String, Item>) -> Option<&'a str> {
    let Kind::Export { world } = &item.kind else { return None };
    old.contains_key(world).then_some(world)
}

/// What is wrong with the number of the current version.
fn version(old: &Version, new: &Version, grown: bool) -> Option<String> {
    let same_series = if old.major == 0 { (new.major, new.minor) == (0, old.minor) } else { new.major == old.major };
    if !same_series || new < old {
        return Some(format!(
            "package version: {new} does not serve what was built for {old}, to which components are linked by number"
        ));
    }
    (grown && new == old).then(|| format!("package version: {old} is released, and additions ask for a higher one"))
}
