//! Files and what is said of them: `pairs/NAME.yaml` with `NAME.err`, the errors as an operator sees them, and
//! `pairs/good/NAME.yaml` with `NAME.out`, what was understood. `WCA_BLESS=1` writes what is found into these.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use wca_config::{Configuration, KnownGuest, Role, Surroundings, load, render};

fn guests() -> Vec<KnownGuest> {
    let known = [
        ("NOPAnomalyDetector", Some(Role::Detector)),
        ("NOPAllocator", Some(Role::Allocator)),
        ("StaticAllocator", Some(Role::Allocator)),
        ("NUMAAllocator", Some(Role::Allocator)),
        ("NUMAAlgorithm", Some(Role::Value)),
        ("HTTPStorage", Some(Role::Storage)),
        ("HelloWorldRunner", None),
    ];
    known.into_iter().map(|(tag, role)| KnownGuest { tag: tag.into(), role }).collect()
}

fn read(path: &Path, text: &str) -> Result<Configuration, String> {
    let source = format!("pairs/{}", path.file_name().unwrap().to_string_lossy());
    let around = Surroundings {
        source: &source,
        environment: &|name| (name == "HOST_IP").then(|| "10.0.0.1".into()),
        readable: &|path| if path.contains("missing") { Err("No such file or directory".into()) } else { Ok(()) },
        guests: &guests(),
        other_guests: text.starts_with("# with other guests"),
    };
    load(text, &around).map_err(|errors| render(&errors, text))
}

/// The configuration, one line per thing.
fn summary(configuration: &Configuration) -> String {
    let mut text = String::new();
    for note in &configuration.notes {
        writeln!(text, "note: {note}").unwrap();
    }
    for logger in &configuration.loggers {
        writeln!(text, "logger: {} {:?}", logger.target, logger.level).unwrap();
    }
    writeln!(text, "runner: {:#?}", configuration.runner).unwrap();
    for (index, storage) in configuration.storages.iter().enumerate() {
        writeln!(text, "storage {index}: {storage:?}").unwrap();
    }
    for (index, guest) in configuration.guests.iter().enumerate() {
        writeln!(text, "guest {index}: {} as {:?} at {}", guest.tag, guest.role, guest.place).unwrap();
        writeln!(text, "    {:?}", guest.parameters.content).unwrap();
    }
    for component in &configuration.components {
        writeln!(text, "component: {component:?}").unwrap();
    }
    shortened(&text)
}

/// Places as `@line:column`, which is what a reader compares.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("Place {") {
        let end = start + rest[start..].find('}').unwrap();
        let number = |name: &str| {
            let digits = rest[start..end].split(name).nth(1).unwrap_or_default().trim_start();
            digits.chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        write!(short, "{}@{}:{}", &rest[..start], number("line:"), number("column:")).unwrap();
        rest = &rest[end + 1..];
    }
    short + rest
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// Compares with what is committed, or writes it.
fn compare(path: &Path, found: &str, differences: &mut Vec<String>) {
    if std::env::var("WCA_BLESS").is_ok_and(|value| value == "1") {
        return std::fs::write(path, found).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    if committed != found {
        differences.push(format!("{} is different now:\n{found}", path.display()));
    }
}

#[test]
fn what_is_wrong_is_said_as_in_the_pairs() {
    let (files, mut differences) = (files("pairs"), Vec::new());
    assert!(files.len() >= 45, "{} pairs", files.len());
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        match read(path, &text) {
            Ok(_) => differences.push(format!("{} is accepted", path.display())),
            Err(shown) => compare(&path.with_extension("err"), &shown, &mut differences),
        }
    }
    assert!(differences.is_empty(), "{}\nWCA_BLESS=1 writes what is found", differences.join("\n"));
}

#[test]
fn what_is_right_is_understood_as_in_the_pairs() {
    let (files, mut differences) = (files("pairs/good"), Vec::new());
    assert!(files.len() >= 8, "{} pairs", files.len());
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        match read(path, &text) {
            Ok(configuration) => compare(&path.with_extension("out"), &summary(&configuration), &mut differences),
            Err(shown) => differences.push(format!("{} is refused:\n{shown}", path.display())),
        }
    }
    assert!(differences.is_empty(), "{}\nWCA_BLESS=1 writes what is found", differences.join("\n"));
}
