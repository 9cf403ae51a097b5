//! `LogStorage`: Prometheus text in a file, or on standard error.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use wca_model::batch::compare_samples;
use wca_model::{Batch, exposition};

use crate::store::{Store, StoreError};
use crate::unfinished::Unfinished;
use crate::work::{Part, Work};

/// The form of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextForm {
    /// Whether each sample carries the time of its snapshot.
    pub timestamps: bool,
    /// Labels that are written; none: all.
    pub labels: Option<Vec<String>>,
}

impl TextForm {
    /// A batch in this form.
    #[must_use]
    pub fn text(&self, batch: &Batch) -> String {
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are far below 2^53")]
        let timestamp = self.timestamps.then(|| (batch.snapshot().timestamp * 1000.0).round() as i64);
        match &self.labels {
            None => batch.exposition_at(timestamp),
            Some(labels) => with_labels(batch, labels, timestamp),
        }
    }
}

fn with_labels(batch: &Batch, labels: &[String], timestamp: Option<i64>) -> String {
    let mut samples = batch.samples();
    for sample in &mut samples {
        sample.labels.retain(|(name, _)| labels.contains(name));
    }
    samples.sort_by(compare_samples);
    let mut text = String::new();
    exposition::write_metrics(&mut text, &samples, timestamp);
    text
}

/// Where the text of a tick goes.
#[async_trait::async_trait]
pub trait Output: Send + 'static {
    /// Takes the text of one tick; after an error that may pass, perhaps the same text again.
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), StoreError>;
}

#[async_trait::async_trait]
impl Output for Box<dyn Output> {
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), StoreError> {
        (**self).put(text, work).await
    }
}

/// Writes each batch as text.
pub struct LogStorage<O> {
    form: TextForm,
    output: O,
}

impl<O: Output> LogStorage<O> {
    /// In this form, to there.
    #[must_use]
    pub fn new(form: TextForm, output: O) -> Self {
        Self { form, output }
    }
}

#[async_trait::async_trait]
impl<O: Output> Store for LogStorage<O> {
    async fn store(&mut self, batch: &Batch, work: &Arc<Work>) -> Result<(), StoreError> {
        let text = work.count(Part::Rendering, || self.form.text(batch));
        self.output.put(text, work).await
    }
}

/// A file to which each tick is added, with an empty line after it. One that takes only a part gets the rest later.
pub struct Appended {
    file: Arc<File>,
    path: Arc<str>,
    unfinished: Unfinished,
}

impl Appended {
    /// With a file that is open for that; `path` is for messages.
    #[must_use]
    pub fn new(file: File, path: &str) -> Self {
        Self { file: Arc::new(file), path: path.into(), unfinished: Unfinished::default() }
    }
}

#[async_trait::async_trait]
impl Output for Appended {
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), StoreError> {
        let (file, rest) = (Arc::clone(&self.file), self.unfinished.rest_of(with_end(text)));
        blocking(move || rest.write(&*file), &self.path, work).await.map_err(StoreError::Unavailable)?;
        self.unfinished.is_finished();
        Ok(())
    }
}

/// Standard error, which the log has too.
#[derive(Default)]
pub struct StandardError {
    unfinished: Unfinished,
}

#[async_trait::async_trait]
impl Output for StandardError {
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), StoreError> {
        let rest = self.unfinished.rest_of(with_end(text));
        let written = blocking(move || rest.write_lines(Unlocked), "standard error", work).await;
        written.map_err(StoreError::Unavailable)?;
        self.unfinished.is_finished();
        Ok(())
    }
}

/// Standard error without the lock of this process: a write can take as long as the reader likes, and who writes to the log
/// meanwhile must not wait for the lock.
struct Unlocked;

impl Write for Unlocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stderr(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn with_end(mut text: String) -> String {
    text.push('\n');
    text
}

/// Writes on a thread of its own: files can block for long, and the threads that call policies must not.
///
/// # Errors
/// What went wrong, with the path before it.
pub async fn blocking(
    write: impl FnOnce() -> io::Result<()> + Send + 'static,
    path: &str,
    work: &Arc<Work>,
) -> Result<(), String> {
    let work = Arc::clone(work);
    match tokio::task::spawn_blocking(move || work.count(Part::Writing, write)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{path}: {error}")),
        Err(_) => Err(format!("{path}: the agent ends")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{batch, sample};

    fn form(timestamps: bool, labels: Option<&[&str]>) -> TextForm {
        let labels = labels.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect());
        TextForm { timestamps, labels }
    }

    fn text(form: &TextForm) -> String {
        let samples = vec![sample("y", &[("host", "other"), ("cpu", "1")], 8.223), sample("x", &[], 0.5)];
        form.text(&batch(1_560_541_957.165_2, samples))
    }

    #[test]
    fn all_labels_with_and_without_the_time_of_the_snapshot() {
        assert_eq!(
            text(&form(false, None)),
            "# HELP task_up Up.\n\
             # TYPE task_up counter\n\
             task_up{host=\"vm\",task_id=\"a\",task_name=\"a\"} 1\n\
             task_up{host=\"vm\",task_id=\"b\",task_name=\"b\"} 1\n\
             \n\
             # TYPE x gauge\n\
             x{host=\"vm\"} 0.5\n\
             \n\
             # TYPE y gauge\n\
             y{cpu=\"1\",host=\"vm\"} 8.223\n"
        );
        let with = text(&form(true, None));
        assert!(with.contains("task_up{host=\"vm\",task_id=\"a\",task_name=\"a\"} 1 1560541957165\n"), "{with}");
        assert!(with.contains("\nx{host=\"vm\"} 0.5 1560541957165\n"), "{with}");
    }

    #[test]
    fn only_some_labels_which_makes_no_series_one() {
        assert_eq!(
            text(&form(true, Some(&["cpu", "task_id", "unknown"]))),
            "# HELP task_up Up.\n\
             # TYPE task_up counter\n\
             task_up{task_id=\"a\"} 1 1560541957165\n\
             task_up{task_id=\"b\"} 1 1560541957165\n\
             \n\
             # TYPE x gauge\n\
             x 0.5 1560541957165\n\
             \n\
             # TYPE y gauge\n\
             y{cpu=\"1\"} 8.223 1560541957165\n"
        );
        let none = text(&form(false, Some(&[])));
        assert!(none.starts_with("# HELP task_up Up.\n# TYPE task_up counter\ntask_up 1\ntask_up 1\n\n"), "{none}");
    }

    #[tokio::test]
    async fn each_tick_is_added_with_an_empty_line_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.prom");
        let file = File::options().append(true).create(true).open(&path).unwrap();
        let form = form(false, Some(&[]));
        let mut storage = LogStorage::new(form.clone(), Appended::new(file, "metrics.prom"));
        let batch = batch(1.0, vec![]);
        let work = Arc::default();
        storage.store(&batch, &work).await.unwrap();
        storage.store(&batch, &work).await.unwrap();
        assert!(work.spent(Part::Rendering) > Duration::ZERO && work.spent(Part::Writing) > Duration::ZERO);
        let once = form.text(&batch);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{once}\n{once}\n"));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_said_with_its_path() {
        let file = File::open("/dev/null").unwrap();
        let mut storage = LogStorage::new(form(false, None), Appended::new(file, "a/b.prom"));
        let told = storage.store(&batch(1.0, vec![]), &Arc::default()).await.unwrap_err();
        assert_eq!(told.to_string(), "a/b.prom: Bad file descriptor (os error 9)");
    }

    #[tokio::test]
    async fn standard_error_is_written_while_somebody_else_has_its_lock() {
        let lock = io::stderr().lock();
        let work = Arc::default();
        let mut output = StandardError::default();
        let put = output.put("# a line of a test\n".into(), &work);
        tokio::time::timeout(Duration::from_secs(30), put).await.unwrap().unwrap();
        drop(lock);
    }
}
