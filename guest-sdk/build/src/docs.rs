//! Help out of the comments of WIT, for guests whose authors write WIT. See `guest-sdk/README.md` for the section's content.

use anyhow::{Context, Result};
use heck::ToUpperCamelCase;
use serde_json::{Map, Value};
use std::path::Path;
use wit_parser::{Docs, Function, Resolve, Type, TypeDefKind, WorldId, WorldItem};

/// The help of the only world in a folder of WIT; nothing without such a folder.
pub(crate) fn of_folder(folder: &Path) -> Result<Option<String>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(folder)?;
    let world = resolve
        .select_world(&[package], None)
        .with_context(|| format!("{}: which world is the guest's?", folder.display()))?;
    Ok(Some(of_world(&resolve, world).to_string()))
}

/// The help of a world.
fn of_world(resolve: &Resolve, world: WorldId) -> Value {
    let world = &resolve.worlds[world];
    let (text, marks) = marks(&paragraph(text(&world.docs)));
    let name = marks.into_iter().find_map(|(mark, value)| (mark == "name").then_some(value));
    let configure = world.exports.values().find_map(|item| match item {
        WorldItem::Function(function) if function.name == "configure" => Some(function),
        _ => None,
    });
    let mut parameters = Map::new();
    if let Some(configure) = configure {
        for (path, docs) in described(text_of(configure)) {
            note(&mut parameters, &path, &docs);
        }
        for parameter in &configure.params {
            of_type(resolve, &parameter.name, &parameter.ty, &mut parameters);
        }
    }
    serde_json::json!({
        "name": name.unwrap_or_else(|| world.name.to_upper_camel_case()),
        "help": text,
        "parameters": parameters,
    })
}

/// The parameters that the comment of `configure` describes: each in a line of its own that begins with its name in
/// backticks, after a `-` or not, and in the lines that follow.
fn described(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines().map(str::trim) {
        let bare = line.trim_start_matches(['-', '*']).trim_start();
        if let Some((name, rest)) = bare.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            let rest = rest.trim_start_matches([':', ',', ' ']);
            all.push((name.replace('_', "-"), rest.to_owned()));
            open = true;
        } else if line.is_empty() {
            open = false;
        } else if let (true, Some((_, docs))) = (open, all.last_mut()) {
            docs.push(' ');
            docs.push_str(line);
        }
    }
    all
}

/// Help of a parameter's type, where the parameter has none of its own, and of the fields below it.
fn of_type(resolve: &Resolve, path: &str, ty: &Type, into: &mut Map<String, Value>) {
    let Type::Id(id) = ty else { return };
    let definition = &resolve.types[*id];
    if !into.contains_key(path) {
        note(into, path, &paragraph(text(&definition.docs)));
    }
    match &definition.kind {
        TypeDefKind::Record(record) => {
            for field in &record.fields {
                let path = format!("{path}.{}", field.name);
                note(into, &path, &paragraph(text(&field.docs)));
                of_type(resolve, &path, &field.ty, into);
            }
        }
        TypeDefKind::Option(inner) | TypeDefKind::List(inner) | TypeDefKind::Type(inner) => {
            of_type(resolve, path, inner, into);
        }
        TypeDefKind::Tuple(tuple) => tuple.types.iter().for_each(|inner| of_type(resolve, path, inner, into)),
        _ => {}
    }
}

/// Adds one entry, unless there is nothing to say.
fn note(into: &mut Map<String, Value>, path: &str, docs: &str) {
    let (help, marks) = marks(docs);
    let mut entry = Map::new();
    if !help.is_empty() {
        entry.insert("help".to_owned(), help.into());
    }
    if let Some((_, default)) = marks.iter().find(|(mark, _)| mark == "default") {
        entry.insert("default".to_owned(), default.as_str().into());
    }
    if marks.iter().any(|(mark, _)| mark == "file") {
        entry.insert("file".to_owned(), true.into());
    }
    if !entry.is_empty() {
        into.insert(path.to_owned(), entry.into());
    }
}

/// Takes `(default: 0.95)`, `(name: X)` and `(file)` out of a text.
fn marks(text: &str) -> (String, Vec<(String, String)>) {
    let mut rest = text.to_owned();
    let mut marks = Vec::new();
    for (mark, start) in [("default", "(default: "), ("name", "(name: "), ("file", "(file")] {
        let Some(from) = rest.find(start) else { continue };
        let Some(length) = rest[from..].find(')') else { continue };
        let value = rest[from + start.len()..from + length].trim().to_owned();
        if mark == "file" && !value.is_empty() {
            continue;
        }
        marks.push((mark.to_owned(), value));
        let before = rest[..from].trim_end().to_owned();
        let after = rest[from + length + 1..].to_owned();
        rest = before + &after;
    }
    (rest.trim().to_owned(), marks)
}

/// The first paragraph, in one line.
fn paragraph(text: &str) -> String {
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

fn text(docs: &Docs) -> &str {
    docs.contents.as_deref().unwrap_or_default()
}

fn text_of(function: &Function) -> &str {
    text(&function.docs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(wit: &str) -> Value {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", wit).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        of_world(&resolve, world)
    }

    #[test]
    fn comments_become_help_and_defaults() {
        let help = help(
            "package my:policy;
             /// Finds spikes (name: SpikeFinder).
             ///
             /// Much more on how.
             world spikes {
               /// Where it is quiet. (default: loose)
               record limits {
                 /// Below is calm (default: 0.2).
                 low: option<f64>,
                 high: f64,
               }
               /// Sets it up.
               ///
               /// - `http-endpoint`: where to post,
               ///   over http (default: http://127.0.0.1:8000)
               /// - `ticks`, in a row
               /// - `plain`: a file of them (file)
               export configure: func(http-endpoint: option<string>, ticks: u32, limits: list<limits>, plain: bool);
             }",
        );
        let wanted = serde_json::json!({
            "name": "SpikeFinder",
            "help": "Finds spikes.",
            "parameters": {
                "http-endpoint": {"help": "where to post, over http", "default": "http://127.0.0.1:8000"},
                "ticks": {"help": "in a row"},
                "plain": {"help": "a file of them", "file": true},
                "limits": {"help": "Where it is quiet.", "default": "loose"},
                "limits.low": {"help": "Below is calm.", "default": "0.2"},
            }
        });
        assert_eq!(help, wanted);
    }

    #[test]
    fn a_world_without_comments_has_its_name() {
        let help = help("package my:policy; world busy-task { export detect: func(); }");
        assert_eq!(help, serde_json::json!({"name": "BusyTask", "help": "", "parameters": {}}));
    }
}
