//! `wca inspect`: what a component is, without running anything of it.

use std::process::ExitCode;

use serde_json::json;
use wca_sandbox::CONTRACT_VERSION;

use crate::entry::Agent;
use crate::load::Loaded;
use crate::settings::ComponentSource;
use crate::{log, print};

/// Prints what the component is, and why it would be refused where nothing is granted.
pub(crate) async fn inspect(agent: Agent, source: ComponentSource, as_json: bool) -> ExitCode {
    match agent.load(&source).await {
        Ok(loaded) => {
            let refused = loaded.component.refusals(&agent.sandbox);
            let text = if as_json { to_json(&loaded, &refused) } else { to_text(&loaded, &refused) };
            print::write_out(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            log::plain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn to_text(loaded: &Loaded, refused: &[String]) -> String {
    let component = &loaded.component;
    let docs = &component.description.docs;
    let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join("\n              ") };
    let contract = component.contract.as_ref().map_or_else(|| "imports nothing of it".into(), ToString::to_string);
    let grants: Vec<String> = component.grants_needed().into_iter().map(str::to_owned).collect();
    let mut text = component.signature(&loaded.name);
    if !docs.help.is_empty() {
        text.push_str(&format!("\n  {}", one_line(&docs.help)));
    }
    for (name, parameter) in &docs.parameters {
        let default = parameter.default.as_ref().map(|default| format!(" (default: {})", one_line(default)));
        text.push_str(&format!(
            "\n    {}: {}{}",
            one_line(&name.replace('-', "_")),
            one_line(&parameter.help),
            default.unwrap_or_default()
        ));
    }
    text.push_str(&format!(
        "\nworld:        {}\ncontract:     wca:policy {contract} (this agent speaks {CONTRACT_VERSION})\n\
         imports:      {}\nneeds grants: {}\nrefused:      {}\nsize:         {} bytes\nsha256:       {}",
        component.world.as_str(),
        list(&component.imports),
        list(&grants),
        list(refused),
        component.description.size,
        component.description.digest_text(),
    ));
    text
}

fn to_json(loaded: &Loaded, refused: &[String]) -> String {
    let component = &loaded.component;
    let docs = &component.description.docs;
    let object = json!({
        "name": loaded.name,
        "help": docs.help,
        "world": component.world.as_str(),
        "constructor": component.signature(&loaded.name),
        "parameters": docs.parameters,
        "contract": component.contract.as_ref().map(ToString::to_string),
        "imports": component.imports,
        "grants": component.grants_needed(),
        "refused": refused,
        "size": component.description.size,
        "sha256": component.description.digest_text(),
    });
    format!("{object:#}")
}

/// What an author wrote, without what could move the cursor of a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
