//! The keys of a file as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use crate::definitions::{DELIVERY, Definition, Kind, LONGEST_TEXT, Parameter, Shape, definitions};
use crate::model::Role;
use crate::node::{Content, Node};
use crate::parse::parse;

/// How editors are told of tags, which a JSON Schema knows nothing of.
const COMMENT: &str = "A schema cannot see YAML tags: behind each tag, any component that fits the place is accepted. \
    yaml-language-server must be told the tags, or it reports each as unknown; in its setting yaml.customTags, list each tag as \
    \"!LogStorage mapping\" and \"!LogStorage scalar\" (the tag alone), and \"!Env scalar\".";

const LEVELS: &str = "^(?i:critical|error|warning|warn|info|debug|trace)$";

/// A JSON Schema (draft 2020-12) for a file.
#[must_use]
pub fn json_schema() -> String {
    let mut schemas = Map::new();
    let written: Vec<_> = definitions().filter(|definition| !matches!(definition.shape, Shape::Unwritten)).collect();
    for definition in &written {
        schemas.insert(definition.tag.into(), component(definition));
    }
    for role in [Role::Runner, Role::Node, Role::Storage, Role::Detector, Role::Allocator, Role::LabelGenerator] {
        let natives = written.iter().filter(|definition| definition.role == role);
        let mut choices: Vec<Value> = natives.map(|definition| reference(definition.tag)).collect();
        if role != Role::Node {
            choices.push(json!({
                "title": "a WebAssembly component",
                "description": "Its arguments are its own: `wca components` prints them. One that is a file takes its path.",
                "type": ["object", "null", "string"],
            }));
        }
        schemas.insert(role_name(role).into(), json!({ "title": role.phrase(), "anyOf": choices }));
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": COMMENT,
        "title": "WCA configuration",
        "type": "object",
        "additionalProperties": false,
        "required": ["runner"],
        "properties": {
            "runner": {
                "title": "runner",
                "description": "What is done in each iteration, and with which components.",
                "$ref": format!("#/$defs/{}", role_name(Role::Runner)),
            },
            "loggers": loggers(),
            "components": components(),
        },
        "$defs": schemas,
    });
    // A tree of texts, numbers and mappings with text keys can always be written.
    serde_json::to_string_pretty(&schema).map(|text| text + "\n").unwrap_or_default()
}

fn loggers() -> Value {
    let level = json!({ "type": "string", "pattern": LEVELS });
    json!({
        "title": "loggers",
        "description": "The level of each module's log, or one level for the whole agent.",
        "anyOf": [level, { "type": "object", "additionalProperties": level }],
    })
}

fn components() -> Value {
    let of_delivery = |name| DELIVERY.iter().find(|known| known.name == name).map(|known| property(known, name));
    json!({
        "title": "components",
        "description": "WebAssembly components by their tags: where they are, and what they may do and use.",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "path": { "title": "path", "description": "File of the component.", "type": "string" },
                "allow_http": {
                    "title": "allow_http",
                    "description": "Origins that the component may send requests to.",
                    "type": "array",
                    "items": { "type": "string" },
                },
                "on_failure": of_delivery("on_failure"),
                "queue_batches": of_delivery("queue_batches"),
                "retry_timeout_in_seconds": of_delivery("retry_timeout_in_seconds"),
            },
            "additionalProperties": {
                "description": "A limit, by the name that --limit takes, such as fuel, memory or deadline.",
                "type": ["string", "number"],
            },
        },
    })
}

fn component(definition: &Definition) -> Value {
    let parameters = match definition.shape {
        Shape::Arguments(parameters, _) => parameters,
        Shape::OneOf(names) => return json!({ "title": definition.tag, "description": definition.help, "enum": names }),
        Shape::Unwritten => return json!(false),
    };
    let mut properties = Map::new();
    for parameter in parameters {
        for name in parameter.names() {
            properties.insert(name.into(), property(parameter, name));
        }
    }
    let gathers = parameters.iter().any(|parameter| parameter.name == "measurement_runner");
    let required: Vec<_> =
        parameters.iter().filter(|parameter| parameter.default.is_none()).map(|parameter| parameter.name).collect();
    let required = required.into_iter().filter(|name| !(gathers && *name == "measurement_runner")).collect::<Vec<_>>();
    let mut types = vec!["object"];
    if required.is_empty() {
        // The tag alone is an empty scalar.
        types.extend(["null", "string"]);
    }
    json!({
        "title": format!("!{}", definition.tag),
        "description": definition.help,
        "type": types,
        "properties": properties,
        "required": required,
        // Older files have the measurement's arguments here, instead of under `measurement_runner`.
        "additionalProperties": gathers,
    })
}

fn property(parameter: &Parameter, name: &str) -> Value {
    let mut schema = kind(&parameter.kind);
    if parameter.nullable {
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    if let Value::Object(schema) = &mut schema {
        schema.insert("title".into(), name.into());
        schema.insert("description".into(), parameter.help.into());
        if let Some(default) = parameter.default.and_then(plain_default) {
            schema.insert("default".into(), default);
        }
    }
    schema
}

fn kind(wanted: &Kind) -> Value {
    match wanted {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Text | Kind::HostPort | Kind::Listen | Kind::Pattern(_) | Kind::Path { absolute: false, .. } => {
            json!({ "type": "string", "maxLength": LONGEST_TEXT })
        }
        Kind::Path { absolute: true, .. } => json!({ "type": "string", "maxLength": LONGEST_TEXT, "pattern": "^/" }),
        Kind::Url => json!({ "type": "string", "maxLength": LONGEST_TEXT, "pattern": "^https?://" }),
        Kind::OneOf(names, _) => json!({ "enum": names }),
        Kind::Float | Kind::Number => json!({ "type": "number" }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Numeric(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::List(item) => json!({ "type": "array", "items": kind(item) }),
        Kind::Map(value) => json!({ "type": "object", "additionalProperties": kind(value) }),
        Kind::Labels(value) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$" },
            "additionalProperties": kind(value),
        }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
        Kind::Component(role) => reference(role_name(*role)),
        Kind::Only(tag) => reference(tag),
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Runner => "runner",
        Role::Node => "node",
        Role::Storage => "storage",
        Role::Detector => "detector",
        Role::Allocator => "allocator",
        Role::LabelGenerator => "label_generator",
        Role::Value => "value",
    }
}

/// A default as JSON; nothing for a component, which JSON cannot say.
fn plain_default(default: &str) -> Option<Value> {
    parse(default, "default").ok().and_then(|node| plain(&node))
}

fn plain(node: &Node) -> Option<Value> {
    if node.tag.is_some() {
        return None;
    }
    match &node.content {
        Content::List(items) => items.iter().map(|item| plain(item)).collect::<Option<Vec<_>>>().map(Value::Array),
        Content::Map(entries) => {
            let pairs = entries.iter().map(|entry| Some((entry.key.text.clone(), plain(&entry.value)?)));
            pairs.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Content::Scalar(scalar) if scalar.is_null() => Some(Value::Null),
        Content::Scalar(scalar) => Some(if let Some(value) = scalar.as_bool() {
            json!(value)
        } else if let Some(number) = scalar.as_integer().and_then(|number| i64::try_from(number).ok()) {
            json!(number)
        } else if let Some(number) = scalar.as_float() {
            json!(number)
        } else {
            json!(scalar.text)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_documentation_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.schema.json");
        if std::env::var_os("WCA_BLESS").is_some_and(|value| value == "1") {
            std::fs::write(path, json_schema()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == json_schema(),
            "docs/config.schema.json is old; WCA_BLESS=1 cargo test -p wca-config writes it"
        );
    }

    #[test]
    fn every_reference_has_a_definition() {
        let text = json_schema();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let references = text.split("\"#/$defs/").skip(1).filter_map(|rest| rest.split('"').next());
        for name in references {
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
        let runner = &schema["$defs"]["MeasurementRunner"];
        assert_eq!(runner["required"], json!(["node"]));
        assert_eq!(runner["properties"]["interval"]["default"], json!(1));
        assert_eq!(runner["properties"]["event_names"]["default"][2], json!("cache-misses"));
    }
}
