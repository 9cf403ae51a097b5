//! A version of the contract as a list: the name of everything in it, and its whole text without comments.

use anyhow::{Context, Result};
use semver::Version;
use std::collections::BTreeMap;
use wit_parser::{Function, Handle, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, WorldItem, WorldKey};

/// One thing that can be there or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its text.
    pub(crate) text: String,
}

/// What an item is, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// New ones hurt nobody.
    Harmless,
    /// An export of the world of this name, as the list names it.
    Export {
        /// The world.
        world: String,
    },
}

/// The version of a package, and what is in it.
pub(crate) fn read(file: &str, text: &str) -> Result<(Version, BTreeMap<String, Item>)> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str(file, text)?;
    let package = &resolve.packages[package];
    let version = package.name.version.clone().with_context(|| format!("{} has no version", package.name))?;
    let mut items = BTreeMap::new();
    let mut add = |name: String, kind: Kind, text: String| items.insert(name, Item { kind, text });
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        add(format!("interface {name}"), Kind::Harmless, format!("interface {name}"));
        for (member, id) in &interface.types {
            add(format!("type {name}.{member}"), Kind::Harmless, definition(&resolve, &resolve.types[*id]));
        }
        for (member, function) in &interface.functions {
            add(format!("function {name}.{member}"), Kind::Harmless, signature(&resolve, function));
        }
    }
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        let path = format!("world {name}");
        add(path.clone(), Kind::Harmless, path.clone());
        for (key, item) in &world.imports {
            add(format!("{path}, import {}", key_name(&resolve, key)), Kind::Harmless, member(&resolve, item));
        }
        for (key, item) in &world.exports {
            let kind = Kind::Export { world: path.clone() };
            add(format!("{path}, export {}", key_name(&resolve, key)), kind, member(&resolve, item));
        }
    }
    Ok((version, items))
}

/// The name of an import or an export; of an interface without the version, which may rise.
fn key_name(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(id) => {
            let interface = &resolve.interfaces[*id];
            let package = interface.package.map(|package| &resolve.packages[package].name);
            let package = package.map(|name| format!("{}:{}/", name.namespace, name.name)).unwrap_or_default();
            format!("{package}{}", interface.name.as_deref().unwrap_or_default())
        }
    }
}

fn member(resolve: &Resolve, item: &WorldItem) -> String {
    match item {
        WorldItem::Interface { .. } => "interface".to_owned(),
        WorldItem::Function(function) => signature(resolve, function),
        WorldItem::Type { id, .. } => definition(resolve, &resolve.types[*id]),
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<_> = function
        .params
        .iter()
        .map(|parameter| format!("{}: {}", parameter.name, name(resolve, &parameter.ty)))
        .collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", name(resolve, ty))).unwrap_or_default();
    let word = if function.kind.is_async() { "async func" } else { "func" };
    format!("{word}({}){result}", parameters.join(", "))
}

/// What a type is.
fn definition(resolve: &Resolve, definition: &TypeDef) -> String {
    let list = |word: &str, members: Vec<String>| format!("{word} {{ {} }}", members.join(", "));
    match &definition.kind {
        TypeDefKind::Record(record) => list(
            "record",
            record.fields.iter().map(|field| format!("{}: {}", field.name, name(resolve, &field.ty))).collect(),
        ),
        TypeDefKind::Variant(variant) => list(
            "variant",
            variant
                .cases
                .iter()
                .map(|case| match &case.ty {
                    Some(ty) => format!("{}({})", case.name, name(resolve, ty)),
                    None => case.name.clone(),
                })
                .collect(),
        ),
        TypeDefKind::Enum(cases) => list("enum", cases.cases.iter().map(|case| case.name.clone()).collect()),
        TypeDefKind::Flags(flags) => list("flags", flags.flags.iter().map(|flag| flag.name.clone()).collect()),
        TypeDefKind::Resource => "resource".to_owned(),
        kind => format!("type {}", composed(resolve, kind)),
    }
}

/// How a type is written where it is used.
fn name(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return plain(ty).to_owned() };
    let definition = &resolve.types[*id];
    match (&definition.name, definition.owner) {
        (Some(name), TypeOwner::Interface(owner)) => {
            format!("{}.{name}", resolve.interfaces[owner].name.as_deref().unwrap_or_default())
        }
        (Some(name), _) => name.clone(),
        (None, _) => composed(resolve, &definition.kind),
    }
}

/// A type made of others.
fn composed(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let name = |ty: &Type| name(resolve, ty);
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), name);
    let owned = |id| name(&Type::Id(id));
    match kind {
        TypeDefKind::Option(inner) => format!("option<{}>", name(inner)),
        TypeDefKind::List(inner) => format!("list<{}>", name(inner)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", name(key), name(value)),
        TypeDefKind::FixedLengthList(inner, length) => format!("list<{}, {length}>", name(inner)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(name).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
        TypeDefKind::Future(inner) => format!("future<{}>", optional(inner)),
        TypeDefKind::Stream(inner) => format!("stream<{}>", optional(inner)),
        TypeDefKind::Handle(Handle::Own(id)) => owned(*id),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", owned(*id)),
        TypeDefKind::Type(inner) => name(inner),
        // These have names of their own wherever they are used.
        TypeDefKind::Record(_)
        | TypeDefKind::Variant(_)
        | TypeDefKind::Enum(_)
        | TypeDefKind::Flags(_)
        | TypeDefKind::Resource
        | TypeDefKind::Unknown => "unknown".to_owned(),
    }
}

fn plain(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "unknown",
    }
}
