//! Ways to log storages.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use wca_messages::{Reply, Request};
use wca_model::DeliveryTerms;
use wca_storage::{Appended, Delivery, LogStorage, Output, StandardError, TextForm, Work, blocking};

use crate::client::{Client, ClientError};
use crate::run::free_name;

/// Where the text of a log storage goes.
pub(crate) enum LogTarget {
    /// Standard error.
    StandardError,
    /// The end of the file that the warden has opened under this number.
    Appended { path: String, output: u32 },
    /// As a whole into the file that the warden has under this number.
    Replaced { path: String, output: u32 },
}

impl LogTarget {
    fn name(&self) -> String {
        match self {
            Self::StandardError => "LogStorage".into(),
            Self::Appended { path, .. } | Self::Replaced { path, .. } => format!("LogStorage({path})"),
        }
    }
}

/// A way to a log storage, beside the `others` that there are. What was counted of one of the same name among those `before`
/// goes on.
pub(crate) async fn log(
    (form, target): (TextForm, &LogTarget),
    terms: DeliveryTerms,
    client: &Client,
    others: &[Arc<Delivery>],
    before: &[Arc<Delivery>],
) -> Result<Delivery, ClientError> {
    let taken: Vec<&str> = others.iter().map(|other| other.name()).collect();
    // Several may write to one place; what is counted of one must not be taken for another's.
    let name = free_name(&target.name(), &taken).unwrap_or_else(|| target.name());
    let before = before.iter().find(|before| before.name() == name).map(|before| &**before);
    let output: Box<dyn Output> = match target {
        LogTarget::StandardError => Box::new(StandardError::default()),
        LogTarget::Appended { path, output } => {
            let seen = client.reopened();
            let appended = Appended::new(open(client, *output).await?, path);
            Box::new(Reopened { client: client.clone(), output: *output, path: path.clone(), seen, appended })
        }
        LogTarget::Replaced { path, output } => {
            Box::new(Replaced { client: client.clone(), output: *output, path: path.clone(), next: None })
        }
    };
    let store = LogStorage::new(form, output);
    Ok(match before {
        Some(before) => Delivery::after(before, terms, store),
        None => Delivery::new(&name, terms, store),
    })
}

async fn open(client: &Client, output: u32) -> Result<File, ClientError> {
    let answer = client.ask(&Request::OpenOutput { output }).await?;
    match (answer.reply, answer.descriptors.into_iter().next()) {
        (Reply::OutputOpened, Some(descriptor)) => Ok(File::from(descriptor)),
        _ => Err(ClientError::Unexpected),
    }
}

/// A file that is written at its end, and asked for again when the warden has opened it anew.
struct Reopened {
    client: Client,
    output: u32,
    /// For messages.
    path: String,
    /// How often it had been opened anew when this one was asked for.
    seen: u64,
    appended: Appended,
}

#[async_trait::async_trait]
impl Output for Reopened {
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), String> {
        let now = self.client.reopened();
        if now != self.seen {
            let file = open(&self.client, self.output).await.map_err(|error| error.to_string())?;
            self.appended = Appended::new(file, &self.path);
            self.seen = now;
        }
        self.appended.put(text, work).await
    }
}

/// A file that each tick replaces as a whole: readers see the tick before, or this one.
struct Replaced {
    client: Client,
    output: u32,
    /// For messages.
    path: String,
    /// What the next tick is written to, which came when the last one was put into its place.
    next: Option<File>,
}

#[async_trait::async_trait]
impl Output for Replaced {
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), String> {
        let mut file = match self.next.take() {
            Some(next) => next,
            None => open(&self.client, self.output).await.map_err(|error| error.to_string())?,
        };
        blocking(move || file.write_all(text.as_bytes()), &self.path, work).await?;
        let published = self.client.ask(&Request::Publish { output: self.output }).await;
        let mut published = published.map_err(|error| error.to_string())?;
        self.next = published.descriptors.pop().map(File::from);
        Ok(())
    }
}
