//! What the loop has stored of itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

/// What stands in the metrics of one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Observed {
    /// When it was, in seconds since 1970.
    pub(super) tick: f64,
    /// Ticks that were left out.
    pub(super) overrun: f64,
    /// Files of tasks that were read since the start.
    pub(super) files: f64,
    /// Processor time since the start, of each part of the work and of each process.
    pub(super) spent: HashMap<&'static str, Duration>,
}

/// Series of processor time: the name that results have for it, the metric and the label that tells it from its others.
pub(super) const SPENT: [(&str, &str, &str); 6] = [
    ("reading", "wca_part_cpu_seconds", "part=\"reading\""),
    ("crossing", "wca_part_cpu_seconds", "part=\"crossing\""),
    ("rendering", "wca_part_cpu_seconds", "part=\"rendering\""),
    ("storing", "wca_part_cpu_seconds", "part=\"writing\""),
    ("warden", "wca_cpu_seconds", "process=\"warden\""),
    ("agent", "wca_cpu_seconds", "process=\"agent\""),
];

/// The file that the loop writes anew at each tick.
pub(super) struct Metrics {
    path: PathBuf,
    /// The file that was read last: its number and when it was written.
    seen: Option<(u64, SystemTime)>,
}

impl Metrics {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// What stands in the file; none where it is the one that was read last, or nothing has been stored yet.
    ///
    /// # Errors
    /// The file cannot be read, or lacks what the loop always stores.
    pub(super) fn observe(&mut self) -> Result<Option<Observed>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.with_context(|| self.path.display().to_string())?,
        };
        let about = file.metadata().with_context(|| self.path.display().to_string())?;
        let is = about.modified().ok().map(|written| (about.ino(), written));
        if is.is_some() && is == self.seen {
            return Ok(None);
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| self.path.display().to_string())?;
        if text.is_empty() {
            return Ok(None);
        }
        self.seen = is;
        parse(&text).with_context(|| format!("{}: not what the loop stores", self.path.display())).map(Some)
    }
}

fn parse(text: &str) -> Result<Observed> {
    let own: Vec<(&str, &str)> =
        text.lines().filter(|line| line.starts_with("wca_")).filter_map(|line| line.rsplit_once(' ')).collect();
    // Names of metrics end where labels begin, if there are any.
    let is = |series: &str, name: &str, label: &str| {
        series
            .strip_prefix(name)
            .is_some_and(|labels| labels.is_empty() || labels.starts_with('{') && labels.contains(label))
    };
    let value = |name: &str, label: &str| -> Result<f64> {
        let found = own.iter().find(|(series, _)| is(series, name, label));
        let (_, value) = found.with_context(|| format!("{name}{{{label}}} is missing"))?;
        value.parse().with_context(|| format!("{name}{{{label}}} {value}"))
    };
    let seconds = |(part, name, label)| Ok((part, Duration::try_from_secs_f64(value(name, label)?)?));
    let spent = SPENT.into_iter().map(seconds).collect::<Result<_>>()?;
    let (tick, overrun, files) = (value("wca_up", "")?, value("wca_ticks_overrun", "")?, value("wca_files_read", "")?);
    Ok(Observed { tick, overrun, files, spent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loop_stores_of_itself() {
        let mut text: String = SPENT
            .iter()
            .map(|(_, name, label)| format!("# HELP {name} X.\n{name}{{host=\"vm\",{label}}} 0.25\n"))
            .collect();
        text += "task_up{task_id=\"/a b\"} 1\nwca_up{host=\"vm\"} 12.5\nwca_ticks_overrun 3\nwca_files_read 7\n";
        let observed = parse(&text).unwrap();
        let found = (observed.tick, observed.overrun, observed.files, observed.spent.len());
        assert_eq!(found, (12.5, 3.0, 7.0, SPENT.len()));
        assert!(observed.spent.values().all(|spent| *spent == Duration::from_millis(250)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = parse("wca_up 1\n").unwrap_err().to_string();
        assert_eq!(told, "wca_part_cpu_seconds{part=\"reading\"} is missing");
        assert_eq!(Metrics::of("/nowhere/metrics.prom".into()).observe().unwrap(), None);
    }

    #[test]
    fn a_file_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.prom");
        let store = |tick: u32| {
            let next = folder.path().join("next");
            let spent: String = SPENT.iter().map(|(_, name, label)| format!("{name}{{{label}}} 0.25\n")).collect();
            std::fs::write(&next, format!("{spent}wca_up {tick}\nwca_ticks_overrun 0\nwca_files_read 0\n")).unwrap();
            std::fs::rename(next, &path).unwrap();
        };
        let mut metrics = Metrics::of(path.clone());
        store(1);
        assert_eq!(metrics.observe().unwrap().map(|observed| observed.tick), Some(1.0));
        assert_eq!(metrics.observe().unwrap(), None);
        store(2);
        assert_eq!(metrics.observe().unwrap().map(|observed| observed.tick), Some(2.0));
    }
}
