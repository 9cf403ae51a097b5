//! `wca components`.

use anyhow::Result;
use wca_agent::settings::{Job, Registered, Rights};
use wca_warden::WardenConfig;

use crate::arguments::ComponentsArguments;
use crate::registered::{open_component, register};
use crate::{report, start};

/// Prints every component that a configuration file can name, or the schema of such files.
///
/// # Errors
/// What cannot be opened or started.
pub(crate) fn components(arguments: &ComponentsArguments) -> Result<u8> {
    if arguments.schema {
        report::print(&wca_config::json_schema());
        return Ok(0);
    }
    let mut files = Vec::new();
    let mut registered = Vec::new();
    for text in &arguments.register.register {
        let named = register(text)?;
        let component = open_component(&named.path, 0, &mut files)?;
        registered.push(Registered { tag: named.tag, component, rights: Rights::default() });
    }
    let job = Job::Components { registered };
    let config = start::config(&arguments.process, start::settings(&arguments.process, job), files)?;
    Ok(wca_warden::run(WardenConfig { serves_operator: false, ..config })?)
}
