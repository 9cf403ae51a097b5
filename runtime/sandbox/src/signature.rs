//! A constructor in one line, and whether YAML can express its parameters.

use wasmtime::component::types::{ComponentFunc, Type};

use crate::description::Docs;
use crate::text::shown;

/// Most bytes of a parameter, name and type, written down.
const LONGEST: usize = 16 << 10;
/// How deep a type may be nested.
const DEEPEST: usize = 32;

/// Bytes of a type from which on it is written once, and called by the name of its first parameter after that.
const LONG: usize = 80;

/// `Name(endpoint: string = http://127.0.0.1:8000, timeout: f64?)`.
pub(crate) fn constructor(name: &str, function: Option<&ComponentFunc>, docs: &Docs) -> String {
    let mut written = Vec::new();
    let parameters: Vec<String> = function
        .map(|function| function.params().map(|(name, ty)| parameter(name, &ty, docs, &mut written)).collect())
        .unwrap_or_default();
    format!("{name}({})", parameters.join(", "))
}

/// `written` are the long types so far, each with the name of its parameter.
fn parameter(name: &str, ty: &Type, docs: &Docs, written: &mut Vec<(String, String)>) -> String {
    let docs = docs.parameters.get(name);
    let name = yaml_name(name);
    let from = if docs.is_some_and(|parameter| parameter.file) { "file of " } else { "" };
    let (text, default) = match (docs.and_then(|parameter| parameter.default.as_deref()), ty) {
        (Some(default), Type::Option(option)) => (type_name(&option.ty()), format!(" = {}", default.escape_debug())),
        _ => (type_name(ty), String::new()),
    };
    let same = written.iter().find(|(_, known)| *known == text).map(|(first, _)| format!("what {first} takes"));
    let shown = same.unwrap_or_else(|| {
        if text.len() >= LONG {
            written.push((name.clone(), text.clone()));
        }
        text
    });
    format!("{name}: {from}{shown}{default}")
}

/// A name of the contract as people write it in YAML.
pub(crate) fn yaml_name(name: &str) -> String {
    name.replace('-', "_")
}

/// A type in words of YAML: `{string: f64}` is a mapping, `[u32]` a list, `T?` an optional key.
pub(crate) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(list) => match mapping_value(&list.ty()) {
            Some(value) => format!("{{string: {}}}", type_name(&value)),
            None => format!("[{}]", type_name(&list.ty())),
        },
        Type::Record(record) => {
            let fields = record.fields().map(|field| format!("{}: {}", yaml_name(field.name), type_name(&field.ty)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Type::Tuple(tuple) => {
            format!("({})", tuple.types().map(|ty| type_name(&ty)).collect::<Vec<_>>().join(", "))
        }
        Type::Variant(variant) => {
            let cases = variant.cases().map(|case| match case.ty {
                Some(ty) => format!("{}: {}", yaml_name(case.name), type_name(&ty)),
                None => yaml_name(case.name),
            });
            cases.collect::<Vec<_>>().join(" | ")
        }
        Type::Enum(names) => names.names().map(yaml_name).collect::<Vec<_>>().join(" | "),
        Type::Option(option) => match option.ty() {
            inner @ (Type::Enum(_) | Type::Variant(_)) => format!("({})?", type_name(&inner)),
            inner => format!("{}?", type_name(&inner)),
        },
        Type::Flags(flags) => format!("[{}]", flags.names().map(yaml_name).collect::<Vec<_>>().join(" | ")),
        Type::Result(_) => "result".into(),
        Type::Map(_) => "map".into(),
        Type::FixedLengthList(_) => "list of fixed length".into(),
        Type::Own(_) | Type::Borrow(_) => "resource".into(),
        Type::Future(_) => "future".into(),
        Type::Stream(_) => "stream".into(),
        Type::ErrorContext => "error-context".into(),
    }
}

/// The value type of a `list<tuple<string, T>>`, which is a mapping in YAML.
pub(crate) fn mapping_value(item: &Type) -> Option<Type> {
    let Type::Tuple(tuple) = item else { return None };
    let types: Vec<Type> = tuple.types().collect();
    match types.as_slice() {
        [Type::String, value] => Some(value.clone()),
        _ => None,
    }
}

/// What may be left out: parameters and keys below them, such as `limits.low`, by their names in the contract.
pub(crate) fn optional(function: &ComponentFunc) -> Vec<String> {
    let mut paths = Vec::new();
    function.params().for_each(|(name, ty)| collect_optional(name, &ty, &mut paths));
    paths
}

fn collect_optional(path: &str, ty: &Type, into: &mut Vec<String>) {
    match ty {
        Type::Option(option) => {
            into.push(path.to_owned());
            collect_optional(path, &option.ty(), into);
        }
        Type::List(list) => collect_optional(path, &mapping_value(&list.ty()).unwrap_or_else(|| list.ty()), into),
        Type::Record(record) => {
            record.fields().for_each(|field| collect_optional(&format!("{path}.{}", field.name), &field.ty, into));
        }
        _ => {}
    }
}

/// Whether YAML can express every parameter, and whether the result is one that can be understood.
pub(crate) fn check_constructor(function: &ComponentFunc) -> Result<(), String> {
    for (name, ty) in function.params() {
        let mut room = LONGEST.checked_sub(name.len());
        if let Some(wrong) = inexpressible(&ty, 0, &mut room) {
            return Err(format!(
                "its `configure` has the parameter `{}` with a {wrong}, which no configuration can express and no --limit \
                 raises",
                shown(name)
            ));
        }
    }
    let results: Vec<Type> = function.results().collect();
    let understood = match results.as_slice() {
        [] => true,
        [Type::Result(result)] => result.ok().is_none() && matches!(result.err(), None | Some(Type::String)),
        _ => false,
    };
    if understood { Ok(()) } else { Err("its `configure` must return nothing or `result<_, string>`".into()) }
}

/// `room` is what the text of the whole type may still take: a type of a few bytes can name another twice, and so on.
fn inexpressible(ty: &Type, depth: usize, room: &mut Option<usize>) -> Option<String> {
    if depth > DEEPEST {
        return Some(format!("type nested more than {DEEPEST} deep"));
    }
    *room = room.and_then(|room| room.checked_sub(own_text(ty)));
    if room.is_none() {
        return Some(format!("type that takes more than {LONGEST} bytes to write down"));
    }
    let mut inner: Vec<Type> = Vec::new();
    match ty {
        Type::Result(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext
        | Type::Map(_)
        | Type::FixedLengthList(_) => return Some(type_name(ty)),
        Type::List(list) => inner.push(list.ty()),
        Type::Option(option) => inner.push(option.ty()),
        Type::Record(record) => inner.extend(record.fields().map(|field| field.ty)),
        Type::Tuple(tuple) => inner.extend(tuple.types()),
        Type::Variant(variant) => inner.extend(variant.cases().filter_map(|case| case.ty)),
        _ => {}
    }
    inner.iter().find_map(|ty| inexpressible(ty, depth + 1, room))
}

/// Bytes of a type's text without the types in it, about.
fn own_text(ty: &Type) -> usize {
    let names: usize = match ty {
        Type::Record(record) => record.fields().map(|field| field.name.len()).sum(),
        Type::Variant(variant) => variant.cases().map(|case| case.name.len()).sum(),
        Type::Enum(names) => names.names().map(str::len).sum(),
        Type::Flags(flags) => flags.names().map(str::len).sum(),
        _ => 0,
    };
    names + 4
}
