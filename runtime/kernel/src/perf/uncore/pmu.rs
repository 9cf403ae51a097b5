//! The PMUs outside of cores that this machine has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{excerpt, is_absent};
use crate::files::{parse_optional, read_optional};
use crate::perf::uncore::format::Field;
use crate::text::{number, number_list};
use crate::{KernelError, Notice, Roots};

/// A PMU outside of cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pmu {
    /// Its name, such as `uncore_imc_0`.
    pub name: String,
    /// The number by which perf_event_open(2) knows it (`type`).
    pub kind: u32,
    /// A processor for each socket, through which its counters are read (`cpumask`).
    pub cpus: Vec<u32>,
    /// Fields of its events (`format/`).
    pub fields: Vec<Field>,
    /// What the kernel calls events of it (`events/`), by name.
    pub events: BTreeMap<String, String>,
}

impl Pmu {
    /// What PMUs of its sort are called: its name without the number at the end. `uncore_imc_free_running_0` is of another
    /// sort than `uncore_imc_0`.
    pub(crate) fn sort(&self) -> &str {
        let (name, number) = self.name.rsplit_once('_').unwrap_or((&self.name, ""));
        let is_numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_numbered { name } else { &self.name }
    }
}

/// Where PMUs stand.
const DEVICES: &str = "/sys/bus/event_source/devices";

/// All of them, by name in the order of their numbers, and what cannot be understood of them.
pub(crate) fn pmus(roots: &Roots) -> (Vec<Pmu>, Vec<Notice>) {
    let mut notices = Vec::new();
    let devices = roots.path(DEVICES);
    let names = names(roots).unwrap_or_else(|error| {
        notices.push(Notice::NotKnown { what: "which PMUs there are", reason: error.to_string() });
        Vec::new()
    });
    let mut pmus: Vec<Pmu> = names
        .into_iter()
        .filter_map(|name| {
            let dir = devices.join(&name);
            pmu(&dir, name).unwrap_or_else(|error| {
                notices.push(Notice::NotKnown { what: "a PMU outside of cores", reason: error.to_string() });
                None
            })
        })
        .collect();
    pmus.sort_by(|one, other| (one.sort(), one.kind).cmp(&(other.sort(), other.kind)));
    (pmus, notices)
}

/// A PMU; none where it vanished meanwhile, or has no `cpumask`, and so is not one that counts for a whole socket.
fn pmu(dir: &Path, name: String) -> Result<Option<Pmu>, KernelError> {
    let kind = parse_optional(&dir.join("type"), "a number", |text| u32::try_from(number(text)?).ok())?;
    let cpus = parse_optional(&dir.join("cpumask"), "a list such as 0,18", number_list)?;
    let (Some(kind), Some(cpus)) = (kind, cpus) else { return Ok(None) };
    let mut fields = Vec::new();
    for (file, text) in texts(&dir.join("format"))? {
        let malformed = || KernelError::Malformed {
            path: dir.join("format").join(&file),
            expected: "bits such as config:0-7",
            found: excerpt(text.as_bytes()),
        };
        fields.push(Field::parse(&file, text.as_bytes()).ok_or_else(malformed)?);
    }
    let events = texts(&dir.join("events"))?.into_iter().filter(|(file, _)| !file.contains('.')).collect();
    Ok(Some(Pmu { name, kind, cpus, fields, events }))
}

/// What PMUs outside of cores are called here, in order.
pub(crate) fn names(roots: &Roots) -> Result<Vec<String>, KernelError> {
    let mut names = entries(&roots.path(DEVICES))?;
    names.retain(|name| name.starts_with("uncore_"));
    Ok(names)
}

/// The names in a directory; none where it is not there.
fn entries(dir: &Path) -> Result<Vec<String>, KernelError> {
    let failed = |source| KernelError::Read { path: PathBuf::from(dir), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry.map_err(failed)?.file_name().into_string().ok());
    let mut names: Vec<String> =
        entries.map(name).collect::<Result<Vec<_>, KernelError>>()?.into_iter().flatten().collect();
    names.sort_unstable();
    Ok(names)
}

/// The files of a directory and what stands in them, by name.
fn texts(dir: &Path) -> Result<Vec<(String, String)>, KernelError> {
    let mut texts = Vec::new();
    for name in entries(dir)? {
        if let Some(bytes) = read_optional(&dir.join(&name))? {
            texts.push((name, String::from_utf8_lossy(bytes.trim_ascii()).into_owned()));
        }
    }
    Ok(texts)
}
