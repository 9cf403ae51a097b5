//! `LogStorage`: Prometheus text in a file, or on standard error.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use wca_model::batch::compare_labels;
use wca_model::{Batch, exposition};

use crate::store::{Store, StoreError};

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
    samples.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| compare_labels(&a.labels, &b.labels)));
    let mut text = String::new();
    for family in samples.chunk_by(|a, b| a.name == b.name) {
        exposition::write_samples(&mut text, family, timestamp);
    }
    text
}

/// Where the text of a tick goes.
#[async_trait::async_trait]
pub trait Output: Send + 'static {
    /// Takes the text of one tick.
    async fn put(&mut self, text: String) -> Result<(), String>;
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
    async fn store(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.output.put(self.form.text(batch)).await.map_err(StoreError::Failed)
    }
}

/// A file to which each tick is added, with an empty line after it.
pub struct Appended {
    file: Arc<File>,
    path: Arc<str>,
}

impl Appended {
    /// With a file that is open for that; `path` is for messages.
    #[must_use]
    pub fn new(file: File, path: &str) -> Self {
        Self { file: Arc::new(file), path: path.into() }
    }
}

#[async_trait::async_trait]
impl Output for Appended {
    async fn put(&mut self, text: String) -> Result<(), String> {
        let (file, path) = (Arc::clone(&self.file), Arc::clone(&self.path));
        blocking(move || (&*file).write_all(with_end(text).as_bytes()), &path).await
    }
}

/// Standard error.
pub struct StandardError;

#[async_trait::async_trait]
impl Output for StandardError {
    async fn put(&mut self, text: String) -> Result<(), String> {
        blocking(move || io::stderr().lock().write_all(with_end(text).as_bytes()), "standard error").await
    }
}

fn with_end(mut text: String) -> String {
    text.push('\n');
    text
}

/// Files can block for long; the threads that call policies must not.
async fn blocking(write: impl FnOnce() -> io::Result<()> + Send + 'static, path: &str) -> Result<(), String> {
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{path}: {error}")),
        Err(_) => Err(format!("{path}: the agent ends")),
    }
}
