//! What a component may import and must export, by its world.

use semver::Version;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::{Engine, component};

use crate::text::{listed, shown};

/// Version of the contract that this runtime speaks.
pub const CONTRACT_VERSION: Version = Version::new(0, 1, 0);

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// Looks, and tells.
    Detector,
    /// Looks, tells, and asks for changes.
    Allocator,
    /// Keeps metrics somewhere.
    Storage,
    /// Is the agent's loop itself.
    Runner,
    /// A plain `wasi:cli/command`, which serves as a runner.
    Command,
}

impl World {
    /// Its name, for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Allocator => "allocator",
            Self::Storage => "storage",
            Self::Runner => "runner",
            Self::Command => "runner (wasi:cli/command)",
        }
    }

    /// The function that the world exports; of a command, the one in its instance.
    #[must_use]
    pub fn export(self) -> &'static str {
        match self {
            Self::Detector => "detect",
            Self::Allocator => "allocate",
            Self::Storage => "store",
            Self::Runner | Self::Command => "run",
        }
    }

    /// Interfaces of `wca:policy` that the world imports.
    fn interfaces(self) -> &'static [&'static str] {
        match self {
            Self::Detector => &["types", "log", "random", "now", "platform", "report"],
            Self::Allocator => &["types", "log", "random", "now", "platform", "report", "plan"],
            Self::Storage => &["types", "log", "random", "now", "batch"],
            Self::Runner => &["types", "log", "random", "now", "platform", "node"],
            Self::Command => &["types", "log", "random"],
        }
    }

    const OURS: [World; 4] = [World::Detector, World::Allocator, World::Storage, World::Runner];
}

/// The text says why a component is of no world.
pub(crate) fn world_of(engine: &Engine, ty: &component::types::Component) -> Result<World, String> {
    let exports: Vec<(String, ComponentItem)> =
        ty.exports(engine).map(|(name, export)| (name.to_owned(), export.ty)).collect();
    let mut worlds: Vec<(World, &ComponentFunc)> = Vec::new();
    for (name, item) in &exports {
        if let ComponentItem::ComponentFunc(function) = item {
            worlds.extend(World::OURS.iter().filter(|world| world.export() == name).map(|world| (*world, function)));
        }
    }
    let command = exports.iter().any(|(name, item)| {
        name.starts_with("wasi:cli/run@0.2.") && matches!(item, ComponentItem::ComponentInstance(_))
    });
    match (worlds.as_slice(), command) {
        ([(world, function)], false) => check_export(*world, function).map(|()| *world),
        ([], true) => Ok(World::Command),
        ([], false) => {
            let names: Vec<&str> = exports.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!(
                "it is of no world: it exports {}; a policy exports one of `detect`, `allocate`, `store`, `run` or \
                 `wasi:cli/run`",
                if names.is_empty() { "nothing".into() } else { listed(names.into_iter()) }
            ))
        }
        _ => Err(format!(
            "it is of several worlds: it exports {}; a component is one of them",
            worlds
                .iter()
                .map(|(world, _)| world.export())
                .chain(command.then_some("wasi:cli/run"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

fn check_export(world: World, function: &ComponentFunc) -> Result<(), String> {
    let results: Vec<Type> = function.results().collect();
    let fits = function.params().len() == 0
        && matches!(results.as_slice(), [Type::Result(result)] if result.ok().is_none() && is_error_of(world, result.err()));
    if fits {
        return Ok(());
    }
    let error = if world == World::Storage { "store-error" } else { "failure" };
    Err(format!(
        "its export `{name}` is not that of the world {world}: it must be `{name}: func() -> result<_, {error}>`",
        name = world.export(),
        world = world.as_str(),
    ))
}

fn is_error_of(world: World, error: Option<Type>) -> bool {
    match (world, error) {
        (World::Storage, Some(Type::Variant(variant))) => {
            let cases: Vec<_> = variant.cases().map(|case| (case.name.to_owned(), case.ty)).collect();
            matches!(cases.as_slice(), [(a, Some(Type::String)), (b, Some(Type::String))] if a == "unavailable" && b == "rejected")
        }
        (World::Storage, _) => false,
        (_, error) => matches!(error, Some(Type::String)),
    }
}

/// Why a component does not get what it imports.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    /// Built for another version of the contract.
    Version(Version),
    /// Another world's interface.
    OtherWorld,
    /// Needs a grant.
    Grant,
    /// Nobody provides it.
    Unknown,
}

/// What the component imports and does not get, and what it would take: one text for each reason.
pub(crate) fn missing_imports(imports: &[String], world: World, http_granted: bool) -> Vec<String> {
    let mut missing: Vec<(Missing, Vec<&str>)> = Vec::new();
    for import in imports {
        let Some(why) = self::missing(import, world, http_granted) else { continue };
        match missing.iter_mut().find(|(known, _)| *known == why) {
            Some((_, imports)) => imports.push(import),
            None => missing.push((why, vec![import])),
        }
    }
    missing.iter().map(|(why, imports)| why.explain(imports, world)).collect()
}

fn missing(import: &str, world: World, http_granted: bool) -> Option<Missing> {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    let (package, interface) = name.split_once('/').unwrap_or((name, ""));
    let Ok(version) = Version::parse(version) else { return Some(Missing::Unknown) };
    match package {
        "wca:policy" if !speaks(&version) => Some(Missing::Version(version)),
        "wca:policy" if world.interfaces().contains(&interface) => None,
        "wca:policy" => Some(Missing::OtherWorld),
        "wasi:http" if matches!(interface, "types" | "outgoing-handler") && is_wasi_0_2(&version) => {
            (!http_granted).then_some(Missing::Grant)
        }
        "wasi:io" | "wasi:clocks" | "wasi:random" | "wasi:cli" | "wasi:filesystem" | "wasi:sockets"
            if is_wasi_0_2(&version) =>
        {
            None
        }
        _ => Some(Missing::Unknown),
    }
}

/// A component of the same minor version is tried: if it uses what a later patch version added, linking says so.
fn speaks(version: &Version) -> bool {
    version.major == CONTRACT_VERSION.major && version.minor == CONTRACT_VERSION.minor
}

fn is_wasi_0_2(version: &Version) -> bool {
    version.major == 0 && version.minor == 2
}

/// The version of the contract that a component was built for, where it imports anything of it.
pub(crate) fn contract_version(imports: &[String]) -> Option<Version> {
    imports
        .iter()
        .filter(|import| import.starts_with("wca:policy/"))
        .filter_map(|import| Version::parse(import.split_once('@')?.1).ok())
        .max()
}

impl Missing {
    /// What it is, and what it would take.
    fn explain(&self, imports: &[&str], world: World) -> String {
        let all = listed(imports.iter().copied());
        match self {
            Self::Version(built_for) => format!(
                "built for wca:policy {} (it imports {all}); this agent speaks {CONTRACT_VERSION}: run {}, or build the \
                 component against wit/policy.wit of this one",
                shown(&built_for.to_string()),
                if *built_for > CONTRACT_VERSION { "a newer agent" } else { "an older agent" },
            ),
            Self::OtherWorld => format!("it imports {all}, which a {} does not get", world.as_str()),
            Self::Grant => format!(
                "it imports {all}, for which it needs a grant: name the origins that it may send requests to with \
                 `--allow-http ORIGIN`, such as `--allow-http http://127.0.0.1:8000`"
            ),
            Self::Unknown => format!("it imports {all}, which nothing here provides"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("wca:policy/now@0.1.0", None)]
    #[case("wca:policy/now@0.1.7", None)]
    #[case(
        "wca:policy/now@0.2.0",
        Some(
            "built for wca:policy 0.2.0 (it imports wca:policy/now@0.2.0); this agent speaks 0.1.0: run a newer agent, or \
             build the component against wit/policy.wit of this one"
        )
    )]
    #[case("wca:policy/plan@0.1.0", Some("it imports wca:policy/plan@0.1.0, which a detector does not get"))]
    #[case("wca:policy/now", Some("it imports wca:policy/now, which nothing here provides"))]
    #[case("wasi:io/poll@0.2.6", None)]
    #[case("wasi:io/poll@0.3.0", Some("it imports wasi:io/poll@0.3.0, which nothing here provides"))]
    #[case("wasi:nn/tensor@0.2.0", Some("it imports wasi:nn/tensor@0.2.0, which nothing here provides"))]
    #[case("env", Some("it imports env, which nothing here provides"))]
    fn imports_of_a_detector(#[case] import: &str, #[case] expected: Option<&str>) {
        let missing = missing_imports(&[import.to_owned()], World::Detector, false);
        assert_eq!(missing.first().map(String::as_str), expected);
    }

    #[test]
    fn http_needs_a_grant() {
        let import = ["wasi:http/outgoing-handler@0.2.4".to_owned()];
        assert_eq!(missing_imports(&import, World::Storage, true), Vec::<String>::new());
        let text = &missing_imports(&import, World::Storage, false)[0];
        assert!(text.contains("--allow-http http://127.0.0.1:8000"), "{text}");
    }
}
