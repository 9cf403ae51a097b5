//! The world that a policy amounts to, as text.

use crate::config::{Body, Field, Own};
use crate::module::Policy;

/// The contract itself.
const CONTRACT: &str = include_str!("../../../../wit/policy.wit");

/// The name of the world in the text of [`world`].
pub(crate) const WORLD: &str = "wca:guest-policy/policy";

/// A package with the policy's world, and the contract as a package beside it, since a guest has no file of it.
pub(crate) fn world(policy: &Policy) -> syn::Result<String> {
    let (id, contract) = contract();
    let (package, version) = id.split_once('@').unwrap_or((id, ""));
    let mut text = format!(
        "package wca:guest-policy;\n\nworld policy {{\n  include {package}/{}@{version};\n",
        policy.kind.world()
    );
    for own in &policy.types {
        text.push_str(&definition(own)?);
    }
    if let Some(fields) = &policy.config {
        text.push_str(&format!("  export configure: func({}) -> result<_, string>;\n", members(fields)?.join(", ")));
    }
    if policy.may_recycle.is_some() {
        text.push_str("  export may-recycle: func() -> bool;\n");
    }
    text.push_str(&format!("}}\n\npackage {id} {{\n{contract}\n}}\n"));
    Ok(text)
}

/// The interfaces of the contract that the policy's world names: what they are called there, and here.
pub(crate) fn interfaces(policy: &Policy) -> Vec<(String, &'static str)> {
    let (id, _) = contract();
    let (package, version) = id.split_once('@').unwrap_or((id, ""));
    policy.kind.interfaces().iter().map(|name| (format!("{package}/{name}@{version}"), *name)).collect()
}

/// The package's name with its version, and what follows its first statement.
fn contract() -> (&'static str, &'static str) {
    let start = CONTRACT.find("\npackage ").map_or(0, |at| at + "\npackage ".len());
    CONTRACT[start..].split_once(';').unwrap_or(("", ""))
}

fn definition(own: &Own) -> syn::Result<String> {
    let name = &own.wit;
    Ok(match &own.body {
        Body::Struct(fields) => format!("  record %{name} {{ {} }}\n", members(fields)?.join(", ")),
        Body::Enum(cases) if cases.iter().all(|case| case.payload.is_none()) => {
            let cases: Vec<_> = cases.iter().map(|case| format!("%{}", case.wit)).collect();
            format!("  enum %{name} {{ {} }}\n", cases.join(", "))
        }
        Body::Enum(cases) => {
            let mut texts = Vec::new();
            for case in cases {
                texts.push(match &case.payload {
                    Some(payload) => format!("%{}({})", case.wit, payload.wit()?),
                    None => format!("%{}", case.wit),
                });
            }
            format!("  variant %{name} {{ {} }}\n", texts.join(", "))
        }
    })
}

fn members(fields: &[Field]) -> syn::Result<Vec<String>> {
    fields.iter().map(|field| Ok(format!("%{}: {}", field.wit, field.crossing().wit()?))).collect()
}
