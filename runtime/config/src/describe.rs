//! Every component with its arguments, for people.

use crate::definitions::{Definition, Parameter, Shape, definitions};

/// What is known of a WebAssembly component, for [`describe_components`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestDescription {
    /// Its tag, without `!`.
    pub tag: String,
    /// The tag with names and defaults of all arguments, in one line.
    pub constructor: String,
    /// What it does; can be empty.
    pub help: String,
    /// Its arguments.
    pub parameters: Vec<ParameterDescription>,
}

/// An argument of a WebAssembly component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterDescription {
    /// Its name.
    pub name: String,
    /// What it is for; can be empty.
    pub help: String,
    /// What stands for it where it is not given; empty: nothing does.
    pub default: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it is the path of a file in which the value stands.
    pub file: bool,
}

/// Every component of this program, and then these guests: constructor, what it does, and each argument with its type, default
/// and purpose.
#[must_use]
pub fn describe_components(guests: &[GuestDescription]) -> String {
    let natives = definitions().map(describe);
    let guests = guests.iter().map(describe_guest);
    natives.chain(guests).collect::<Vec<_>>().join("\n")
}

fn describe(definition: &Definition) -> String {
    let mut text = format!("{}\n    {}\n", constructor(definition), definition.help);
    if !definition.available {
        text.push_str("    This version of WCA does not have it yet.\n");
    }
    for parameter in definition.parameters() {
        let names: Vec<_> = parameter.names().collect();
        let mut kind = parameter.kind.expected();
        if parameter.nullable {
            kind.push_str(", or null");
        }
        let default = parameter.default.map_or("must be given".into(), |default| format!("default {default}"));
        text.push_str(&described_argument(&names.join(", "), &format!("{kind}; {default}"), parameter.help));
        if let Some(other) = parameter.instead_of {
            text.push_str(&format!("            It stands instead of {other}.\n"));
        }
    }
    text
}

fn constructor(definition: &Definition) -> String {
    let argument = |parameter: &Parameter| match parameter.default {
        Some(default) => format!("{}={default}", parameter.name),
        None => parameter.name.to_owned(),
    };
    match definition.shape {
        Shape::Arguments(parameters, _) => {
            let arguments: Vec<_> = parameters.iter().map(argument).collect();
            format!("{}({})", definition.tag, arguments.join(", "))
        }
        Shape::OneOf(names) => format!("{}: {}", definition.tag, names.join(", ")),
        Shape::Unwritten => definition.tag.into(),
    }
}

fn describe_guest(guest: &GuestDescription) -> String {
    let mut text = format!("{}\n", guest.constructor);
    if !guest.help.is_empty() {
        text.push_str(&format!("    {}\n", guest.help));
    }
    for ParameterDescription { name, help, default, optional, file } in &guest.parameters {
        let default = match (default.as_str(), optional) {
            ("", false) => "must be given".into(),
            ("", true) => "may be left out".into(),
            (default, _) => format!("default {default}"),
        };
        let kind = if *file { format!("path of a file, whose content it is; {default}") } else { default };
        text.push_str(&described_argument(name, &kind, help));
    }
    text
}

fn described_argument(names: &str, kind: &str, help: &str) -> String {
    let help = if help.is_empty() { String::new() } else { format!("            {help}\n") };
    format!("        {names}: {kind}\n{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natives_and_guests_are_described() {
        let guest = GuestDescription {
            tag: "HTTPStorage".into(),
            constructor: "HTTPStorage(http_endpoint=http://127.0.0.1:8000)".into(),
            help: "Posts metrics.".into(),
            parameters: vec![
                ParameterDescription {
                    name: "http_endpoint".into(),
                    help: "Where to.".into(),
                    default: "http://127.0.0.1:8000".into(),
                    optional: true,
                    file: false,
                },
                ParameterDescription {
                    name: "filters".into(),
                    help: String::new(),
                    default: String::new(),
                    optional: true,
                    file: true,
                },
            ],
        };
        let text = describe_components(&[guest]);
        for expected in [
            "LogStorage(output_filename=null, overwrite=false, include_timestamp=null, filter_labels=null, on_failure=drop, \
             queue_batches=32, retry_timeout_in_seconds=5)\n    Writes",
            "        tasks: a list of paths; must be given\n            Cgroups",
            "        action_delay, interval: a number from 0 to 60, or null; default 1\n",
            "            It stands instead of enable_perf_uncore.\n",
            "    This version of WCA does not have it yet.\n",
            "CgroupDriverType: cgroupfs, systemd\n",
            "\nHTTPStorage(http_endpoint=http://127.0.0.1:8000)\n    Posts metrics.\n        http_endpoint: default http",
            "        filters: path of a file, whose content it is; may be left out\n",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
        }
    }
}
