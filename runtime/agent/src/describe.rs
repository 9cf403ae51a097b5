//! `wca components`: every component that a file can name, with its constructor.

use std::process::ExitCode;

use wca_config::{GuestDescription, ParameterDescription, describe_components};

use crate::embedded::embedded_components;
use crate::entry::Agent;
use crate::load::Loaded;
use crate::settings::{ComponentSource, Registered};
use crate::{log, print};

/// Prints them: those of the program, then the registered ones.
pub(crate) async fn components(agent: Agent, registered: Vec<Registered>) -> ExitCode {
    let embedded = embedded_components().iter().map(|one| (None, ComponentSource::Embedded { name: one.name.into() }));
    let registered = registered.into_iter().map(|one| (one.tag, one.component));
    let mut guests = Vec::new();
    let mut ended = ExitCode::SUCCESS;
    for (tag, source) in embedded.chain(registered) {
        match agent.load(&source).await {
            Ok(loaded) => guests.push(described(tag, &loaded)),
            Err(error) => {
                log::plain(&error.to_string());
                ended = ExitCode::FAILURE;
            }
        }
    }
    print::write_out(describe_components(&guests).trim_end());
    ended
}

fn described(tag: Option<String>, loaded: &Loaded) -> GuestDescription {
    let tag = tag.unwrap_or_else(|| loaded.name.clone());
    let docs = &loaded.component.description.docs;
    let optional = loaded.component.optional_parameters();
    let parameters = docs.parameters.iter().map(|(name, parameter)| ParameterDescription {
        name: name.replace('-', "_"),
        help: parameter.help.clone(),
        default: parameter.default.clone().unwrap_or_default(),
        optional: optional.contains(name),
        file: parameter.file,
    });
    GuestDescription {
        constructor: loaded.component.signature(&tag),
        help: docs.help.clone(),
        parameters: parameters.collect(),
        tag,
    }
}
