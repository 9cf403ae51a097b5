//! From what a compiler made to the component that is delivered.

use crate::{docs, section};
use anyhow::{Context, Result};
use std::path::Path;
use wit_component::{ComponentEncoder, DecodedWasm, WitPrinter};

/// Makes a component of a core module, or takes one as it is, and puts its help into a section at its end: the one that the
/// SDK left in the core module, else the comments of the WIT in the guest's folder.
pub(crate) fn make(made: &[u8], adapters: &[String], folder: &Path) -> Result<Vec<u8>> {
    let (plain, found) = section::take(made, section::DOCS)?;
    let mut component = if section::is_component(&plain)? { plain } else { encode(&plain, adapters)? };
    let help = match found {
        Some(help) => Some(help),
        None => docs::of_folder(&folder.join("wit"))?.map(String::into_bytes),
    };
    if let Some(help) = help {
        section::add(&mut component, section::DOCS, &help);
    }
    Ok(component)
}

/// What a component imports and exports, as WIT, for comparing two builds of one source.
pub(crate) fn interface(component: &[u8]) -> Result<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        anyhow::bail!("a package of WIT, and no component");
    };
    let package = resolve.worlds[world].package.context("a component without a world")?;
    let nested: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
    let mut printer = WitPrinter::default();
    printer.print(&resolve, package, &nested)?;
    Ok(printer.output.to_string())
}

fn encode(module: &[u8], adapters: &[String]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default().validate(true).module(module)?;
    for adapter in adapters {
        let (name, path) =
            adapter.split_once('=').with_context(|| format!("--adapt {adapter}: NAME=FILE is wanted"))?;
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the adapter {path}"))?;
        encoder = encoder.adapter(name, &bytes)?;
    }
    encoder.encode().context("cannot make a component of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_in_a_component_stays_and_stands_once() {
        let mut component = wat::parse_str("(component)").unwrap();
        section::add(&mut component, section::DOCS, b"{}");
        let folder = tempfile::tempdir().unwrap();
        let made = make(&component, &[], folder.path()).unwrap();
        assert_eq!(made, component);
        assert_eq!(make(&made, &[], folder.path()).unwrap(), made);
    }

    #[test]
    fn what_is_no_webassembly_is_said_to_be_none() {
        let error = make(b"0123456789", &[], Path::new("nowhere")).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}
