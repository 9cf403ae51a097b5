//! `wca doctor`: what this machine has of what WCA uses, by which file, and what would bring the rest.

mod needs;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use wca_agent::with_embedded;
use wca_config::{Configuration, Surroundings, load, render};
use wca_kernel::{Feature, Roots, features};
use wca_warden::open_to_read;

use crate::arguments::DoctorArguments;
use crate::{config_file, report};

/// A feature, and what in the configuration asks for it.
struct Finding {
    feature: Feature,
    asked_by: Vec<String>,
}

/// Looks at the machine, or at what of it a configuration needs: 1 where something is needed that is not there, else 0.
///
/// # Errors
/// A configuration that cannot be read.
pub(crate) fn doctor(arguments: &DoctorArguments) -> Result<u8> {
    let configuration = match &arguments.config {
        None => None,
        Some(path) => match configuration(path)? {
            Ok(configuration) => Some(configuration),
            Err(wrong) => {
                report::lines(&wrong);
                return Ok(1);
            }
        },
    };
    let roots = arguments.sysroot.as_ref().map_or_else(Roots::system, Roots::at);
    let findings = findings(features(&roots), configuration.as_ref());
    report::print(&if arguments.json { json(&findings) } else { text(&findings) });
    let is_short = |finding: &Finding| !finding.asked_by.is_empty() && !finding.feature.is_available();
    Ok(u8::from(findings.iter().any(is_short)))
}

/// The configuration; the inner error is what is wrong with it, as it is to be shown. Components need not be there to say what
/// the machine should have.
fn configuration(path: &Path) -> Result<Result<Configuration, String>> {
    let text = config_file::read(path)?;
    let loaded = load(
        &text,
        &Surroundings {
            source: &path.display().to_string(),
            environment: &|name| std::env::var(name).ok(),
            readable: &|path| open_to_read(path).map(drop).map_err(|error| error.to_string()),
            guests: &with_embedded(Vec::new()),
            other_guests: true,
        },
    );
    Ok(loaded.map_err(|errors| render(&errors, &text)))
}

/// All features, or with a configuration those that it asks for.
fn findings(features: Vec<Feature>, configuration: Option<&Configuration>) -> Vec<Finding> {
    let Some(configuration) = configuration else {
        return features.into_iter().map(|feature| Finding { feature, asked_by: Vec::new() }).collect();
    };
    let needs = needs::needs(configuration);
    let with_needs = features.into_iter().map(|feature| {
        let own = needs.iter().filter(|need| need.feature == feature.name);
        Finding { asked_by: own.map(|need| need.by.clone()).collect(), feature }
    });
    with_needs.filter(|finding| !finding.asked_by.is_empty()).collect()
}

/// For people. Writing to a `String` cannot fail.
fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.feature.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { feature, asked_by } in findings {
        let has = if feature.is_available() { "yes" } else { "no " };
        let _ = writeln!(text, "{has}  {:width$}  {}", feature.name, feature.found);
        let indent = " ".repeat(width + 7);
        if !feature.remedy.is_empty() {
            let _ = writeln!(text, "{indent}remedy: {}", feature.remedy);
        }
        if !asked_by.is_empty() {
            let _ = writeln!(text, "{indent}asked for by: {}", asked_by.join(", "));
        }
    }
    text
}

/// For programs: a list of objects.
fn json(findings: &[Finding]) -> String {
    let all = findings.iter().map(|Finding { feature, asked_by }| {
        serde_json::json!({
            "feature": feature.name,
            "available": feature.is_available(),
            "reason": feature.reason.as_str(),
            "found": feature.found,
            "remedy": feature.remedy,
            "asked_by": asked_by,
        })
    });
    format!("{:#}\n", serde_json::Value::Array(all.collect()))
}
