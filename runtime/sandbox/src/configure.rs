//! From what the operator wrote to what a component's `configure` takes.

use std::sync::Arc;

use wasmtime::component::Val;
use wasmtime::component::types::{ComponentFunc, Type};
use wca_config::{Content, Entry, Node, Place, Scalar};

use crate::signature::{mapping_value, type_name, yaml_name};

/// What the operator wrote does not fit the component's constructor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {path}: {what}")]
pub struct ConfigureError {
    /// Where it was written; for a missing key, where its parent was.
    pub place: Box<Place>,
    /// The key, such as `HTTPStorage.limits.low`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// What a component is configured with.
pub(crate) struct Arguments {
    /// As the operator wrote it.
    pub(crate) settings: Arc<Node>,
    /// In the order of the parameters of `configure`; none where it has none.
    pub(crate) values: Option<Vec<Val>>,
}

impl Arguments {
    /// Fits what the operator wrote onto a component's constructor.
    ///
    /// # Errors
    /// [`ConfigureError`] for the first key that is missing, unknown or of the wrong type.
    pub(crate) fn fit(name: &str, constructor: Option<&ComponentFunc>, settings: &Arc<Node>) -> Converted<Self> {
        let values = match constructor {
            Some(constructor) => Some(arguments(name, constructor, settings)?),
            None => {
                no_arguments(name, settings)?;
                None
            }
        };
        Ok(Self { settings: Arc::clone(settings), values })
    }
}

type Converted<T> = Result<T, ConfigureError>;

/// The arguments of `configure`, in the order of its parameters.
fn arguments(name: &str, function: &ComponentFunc, node: &Arc<Node>) -> Converted<Vec<Val>> {
    let entries = entries_of(node, name, "its parameters")?;
    let parameters: Vec<(String, Type)> = function.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
    fields(name, &parameters, entries, node).map(|values| values.into_iter().map(|(_, value)| value).collect())
}

/// Refuses every key of a component that has no `configure`.
fn no_arguments(name: &str, node: &Arc<Node>) -> Converted<()> {
    match entries_of(node, name, "its parameters")?.first() {
        None => Ok(()),
        Some(entry) => Err(ConfigureError {
            place: Box::new(entry.place.clone()),
            path: format!("{name}.{}", entry.key.text),
            what: "unknown key; the component takes none".into(),
        }),
    }
}

fn entries_of<'node>(node: &'node Arc<Node>, path: &str, wanted: &str) -> Converted<&'node [Entry]> {
    match &node.content {
        Content::Map(entries) => Ok(entries),
        Content::Scalar(scalar) if scalar.is_null() => Ok(&[]),
        _ => Err(wrong(node, path, &format!("a mapping with {wanted}"))),
    }
}

fn wrong(node: &Node, path: &str, wanted: &str) -> ConfigureError {
    ConfigureError {
        place: Box::new(node.place.clone()),
        path: path.to_owned(),
        what: format!("{wanted} expected, found {}", node.describe()),
    }
}

/// Values for named parameters or fields, each once; `-` and `_` are one.
fn fields(path: &str, wanted: &[(String, Type)], entries: &[Entry], node: &Node) -> Converted<Vec<(String, Val)>> {
    let named = |entry: &Entry, name: &str| yaml_name(&entry.key.text) == yaml_name(name);
    for (at, entry) in entries.iter().enumerate() {
        let error = |what: String| ConfigureError {
            place: Box::new(entry.place.clone()),
            path: format!("{path}.{}", entry.key.text),
            what,
        };
        if !wanted.iter().any(|(name, _)| named(entry, name)) {
            let known: Vec<String> = wanted.iter().map(|(name, _)| yaml_name(name)).collect();
            return Err(error(if known.is_empty() {
                "unknown key; none is known".into()
            } else {
                format!("unknown key; known: {}", known.join(", "))
            }));
        }
        if entries[..at].iter().any(|before| named(before, &entry.key.text)) {
            return Err(error("the key stands there twice".into()));
        }
    }
    wanted
        .iter()
        .map(|(name, ty)| {
            let path = format!("{path}.{}", yaml_name(name));
            let value = match (entries.iter().find(|entry| named(entry, name)), ty) {
                (Some(entry), _) => value(&path, ty, &entry.value)?,
                (None, Type::Option(_)) => Val::Option(None),
                (None, _) => {
                    let what = format!("missing ({})", type_name(ty));
                    return Err(ConfigureError { place: Box::new(node.place.clone()), path, what });
                }
            };
            Ok((name.clone(), value))
        })
        .collect()
}

/// One value of the wanted type.
fn value(path: &str, ty: &Type, node: &Arc<Node>) -> Converted<Val> {
    let mismatch = || wrong(node, path, &type_name(ty));
    match ty {
        Type::List(list) => match mapping_value(&list.ty()) {
            Some(of) => mapping(path, &of, node),
            None => self::list(path, &list.ty(), node),
        },
        Type::Record(record) => {
            let wanted: Vec<(String, Type)> = record.fields().map(|field| (field.name.to_owned(), field.ty)).collect();
            let Content::Map(entries) = &node.content else { return Err(mismatch()) };
            Ok(Val::Record(fields(path, &wanted, entries, node)?))
        }
        Type::Tuple(tuple) => {
            let types: Vec<Type> = tuple.types().collect();
            match &node.content {
                Content::List(items) if items.len() == types.len() => {
                    let values = types.iter().zip(items).enumerate();
                    Ok(Val::Tuple(
                        values
                            .map(|(at, (ty, item))| value(&format!("{path}[{at}]"), ty, item))
                            .collect::<Converted<_>>()?,
                    ))
                }
                _ => Err(mismatch()),
            }
        }
        Type::Option(option) => match &node.content {
            // `null` gives an option of an option its outer value.
            Content::Scalar(scalar) if scalar.is_null() && !is_text_of_command_line(&option.ty(), node) => {
                let nested = matches!(option.ty(), Type::Option(_));
                Ok(Val::Option(nested.then(|| Box::new(Val::Option(None)))))
            }
            _ => Ok(Val::Option(Some(Box::new(value(path, &option.ty(), node)?)))),
        },
        Type::Variant(variant) => {
            let cases: Vec<(String, Option<Type>)> =
                variant.cases().map(|case| (case.name.to_owned(), case.ty)).collect();
            self::variant(path, &cases, node).unwrap_or_else(|| Err(mismatch()))
        }
        Type::Flags(flags) => {
            let known: Vec<&str> = flags.names().collect();
            let Content::List(items) = &node.content else { return Err(mismatch()) };
            let chosen =
                items.iter().map(|item| named_one(&known, item).ok_or_else(|| wrong(item, path, &type_name(ty))));
            Ok(Val::Flags(chosen.collect::<Converted<_>>()?))
        }
        Type::Enum(names) => {
            let known: Vec<&str> = names.names().collect();
            named_one(&known, node).map(Val::Enum).ok_or_else(mismatch)
        }
        scalar_type => match &node.content {
            Content::Scalar(found) => {
                scalar(scalar_type, found, node).ok_or_else(|| out_of_range(path, ty, found, node))
            }
            _ => Err(mismatch()),
        },
    }
}

/// On the command line an empty value is an empty text, since there are no quotes.
fn is_text_of_command_line(ty: &Type, node: &Node) -> bool {
    matches!(ty, Type::String)
        && node.place.source.starts_with("--")
        && matches!(&node.content, Content::Scalar(scalar) if scalar.text.is_empty())
}

fn list(path: &str, of: &Type, node: &Arc<Node>) -> Converted<Val> {
    let Content::List(items) = &node.content else {
        return Err(wrong(node, path, &format!("[{}]", type_name(of))));
    };
    let values = items.iter().enumerate().map(|(at, item)| value(&format!("{path}[{at}]"), of, item));
    Ok(Val::List(values.collect::<Converted<_>>()?))
}

fn mapping(path: &str, of: &Type, node: &Arc<Node>) -> Converted<Val> {
    let Content::Map(entries) = &node.content else {
        return Err(wrong(node, path, &format!("{{string: {}}}", type_name(of))));
    };
    let pairs = entries.iter().map(|entry| {
        let of_key = value(&format!("{path}.{}", entry.key.text), of, &entry.value)?;
        Ok(Val::Tuple(vec![Val::String(entry.key.text.clone()), of_key]))
    });
    Ok(Val::List(pairs.collect::<Converted<_>>()?))
}

/// A case by its name, by `{name: value}`, or the first case whose type fits.
fn variant(path: &str, cases: &[(String, Option<Type>)], node: &Arc<Node>) -> Option<Converted<Val>> {
    let same = |case: &str, name: &str| yaml_name(case) == yaml_name(name);
    if let Content::Scalar(scalar) = &node.content
        && let Some((name, _)) = cases.iter().find(|(name, ty)| ty.is_none() && same(name, &scalar.text))
    {
        return Some(Ok(Val::Variant(name.clone(), None)));
    }
    if let Content::Map(entries) = &node.content
        && let [entry] = entries.as_slice()
        && let Some((name, Some(ty))) = cases.iter().find(|(name, ty)| ty.is_some() && same(name, &entry.key.text))
    {
        let inner = value(&format!("{path}.{}", entry.key.text), ty, &entry.value);
        return Some(inner.map(|inner| Val::Variant(name.clone(), Some(Box::new(inner)))));
    }
    cases.iter().find_map(|(name, ty)| {
        let inner = value(path, ty.as_ref()?, node).ok()?;
        Some(Ok(Val::Variant(name.clone(), Some(Box::new(inner)))))
    })
}

fn named_one(known: &[&str], node: &Node) -> Option<String> {
    let Content::Scalar(scalar) = &node.content else { return None };
    known.iter().find(|name| yaml_name(name) == yaml_name(&scalar.text)).map(|name| (*name).to_owned())
}

fn scalar(ty: &Type, found: &Scalar, node: &Node) -> Option<Val> {
    let integer = found.as_integer();
    Some(match ty {
        Type::Bool => Val::Bool(found.as_bool()?),
        Type::S8 => Val::S8(integer?.try_into().ok()?),
        Type::U8 => Val::U8(integer?.try_into().ok()?),
        Type::S16 => Val::S16(integer?.try_into().ok()?),
        Type::U16 => Val::U16(integer?.try_into().ok()?),
        Type::S32 => Val::S32(integer?.try_into().ok()?),
        Type::U32 => Val::U32(integer?.try_into().ok()?),
        Type::S64 => Val::S64(integer?.try_into().ok()?),
        Type::U64 => Val::U64(integer?.try_into().ok()?),
        #[allow(clippy::cast_possible_truncation, reason = "an f32 takes the nearest value, as in every language")]
        Type::Float32 => Val::Float32(found.as_float()? as f32),
        Type::Float64 => Val::Float64(found.as_float()?),
        Type::Char => {
            let mut characters = found.text.chars();
            let first = characters.next()?;
            if characters.next().is_some() {
                return None;
            }
            Val::Char(first)
        }
        Type::String => {
            let is_text =
                found.quoted || node.place.source.starts_with("--") || found.describe().starts_with("the text");
            if !is_text {
                return None;
            }
            Val::String(found.text.clone())
        }
        _ => return None,
    })
}

fn out_of_range(path: &str, ty: &Type, found: &Scalar, node: &Node) -> ConfigureError {
    let range = match ty {
        Type::S8 => Some((i128::from(i8::MIN), i128::from(i8::MAX))),
        Type::U8 => Some((0, i128::from(u8::MAX))),
        Type::S16 => Some((i128::from(i16::MIN), i128::from(i16::MAX))),
        Type::U16 => Some((0, i128::from(u16::MAX))),
        Type::S32 => Some((i128::from(i32::MIN), i128::from(i32::MAX))),
        Type::U32 => Some((0, i128::from(u32::MAX))),
        Type::S64 => Some((i128::from(i64::MIN), i128::from(i64::MAX))),
        Type::U64 => Some((0, i128::from(u64::MAX))),
        _ => None,
    };
    let mut error = wrong(node, path, &type_name(ty));
    if let (Some((low, high)), Some(_)) = (range, found.as_integer()) {
        error.what = format!("{} from {low} to {high} expected, found {}", type_name(ty), found.describe());
    } else if matches!(ty, Type::String) {
        error.what = format!("{}; quote it to make it a text", error.what);
    }
    error
}
