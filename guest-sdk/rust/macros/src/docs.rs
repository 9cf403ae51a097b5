//! The section `wca-docs` of a component: what its author says of it, as JSON.
//!
//! ```json
//! {"name": "HTTPStorage", "help": "Posts.", "parameters": {"http-endpoint": {"help": "Where to.", "default": "http://127.0.0.1:8000"}}}
//! ```
//!
//! A key of a nested mapping is named by its path, `limits.low`. A default is always a text, as an operator would write it.

use crate::config::{Body, Field, Own};
use crate::module::Policy;

/// The section's content.
pub(crate) fn json(policy: &Policy) -> String {
    let mut parameters = Vec::new();
    if let Some(fields) = &policy.config {
        collect("", fields, &policy.types, &mut parameters);
    }
    format!(
        "{{\"name\":{},\"help\":{},\"parameters\":{{{}}}}}",
        quoted(&policy.name),
        quoted(&policy.help),
        parameters.join(",")
    )
}

fn collect(prefix: &str, fields: &[Field], types: &[Own], into: &mut Vec<String>) {
    for field in fields {
        let path = format!("{prefix}{}", field.wit);
        let mut members = Vec::new();
        if !field.help.is_empty() {
            members.push(format!("\"help\":{}", quoted(&field.help)));
        }
        if let Some(default) = &field.default {
            members.push(format!("\"default\":{}", quoted(&default.yaml)));
        }
        if field.file {
            members.push("\"file\":true".to_owned());
        }
        if !members.is_empty() {
            into.push(format!("{}:{{{}}}", quoted(&path), members.join(",")));
        }
        for name in field.shape.named() {
            if let Some(Own { body: Body::Struct(inner), .. }) = types.iter().find(|own| own.name == *name) {
                collect(&format!("{path}."), inner, types, into);
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
