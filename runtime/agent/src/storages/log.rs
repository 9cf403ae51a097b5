//! Ways to log storages.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::watch;
use wca_messages::{Refused, Reply, Request};
use wca_model::DeliveryTerms;
use wca_storage::{Appended, Delivery, LogStorage, Output, StandardError, StoreError, TextForm, Work, blocking};

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

/// The ways to what log storages wrote before: they are seen off, which is over when the sender is dropped.
pub(crate) struct Before<'a> {
    pub(crate) deliveries: &'a [Arc<Delivery>],
    pub(crate) seen_off: watch::Receiver<()>,
}

/// A way to a log storage, beside the `others` that there are. What was counted of one of the same name among those `before`
/// goes on, and since it may have written the same file, what it was given is written first.
pub(crate) async fn log(
    (form, target): (TextForm, &LogTarget),
    terms: DeliveryTerms,
    client: &Client,
    others: &[Arc<Delivery>],
    Before { deliveries: before, seen_off }: &Before<'_>,
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
    let mut seen_off = seen_off.clone();
    let seen_off = async move { while seen_off.changed().await.is_ok() {} };
    Ok(Delivery::starting_after(seen_off, &name, before, terms, store))
}

/// Whether the same may be asked of the warden a little later: it has the file, and the kernel said no. One that it has not any
/// more was of a configuration that is not in force.
fn failed(error: &ClientError) -> StoreError {
    let text = error.to_string();
    match error {
        ClientError::Refused(Refused::Failed(_)) => StoreError::Unavailable(text),
        _ => StoreError::Rejected(text),
    }
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
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), StoreError> {
        let now = self.client.reopened();
        if now != self.seen {
            let file = open(&self.client, self.output).await.map_err(|error| failed(&error))?;
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
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), StoreError> {
        let mut file = match self.next.take() {
            Some(next) => next,
            None => open(&self.client, self.output).await.map_err(|error| failed(&error))?,
        };
        let written = blocking(move || file.write_all(text.as_bytes()), &self.path, work).await;
        written.map_err(StoreError::Unavailable)?;
        let published = self.client.ask(&Request::Publish { output: self.output }).await;
        let mut published = published.map_err(|error| failed(&error))?;
        self.next = published.descriptors.pop().map(File::from);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::warden;

    #[tokio::test]
    async fn what_the_warden_has_forgotten_is_tried_no_more_and_what_the_kernel_refuses_is() {
        for (refused, may_pass) in [
            (Refused::Failed("/a.prom: making a new file beside it: No space left on device".into()), true),
            (Refused::Invalid("output 3: there is none with this number".into()), false),
            (Refused::OutOfOrder("the first message is Hello".into()), false),
        ] {
            let expected = format!("the warden refused: {refused}");
            let (client, _) = warden(move |_| Reply::Refused(refused.clone()));
            let mut output = Replaced { client, output: 3, path: "/a.prom".into(), next: None };
            let told = output.put("x 1\n".into(), &Arc::default()).await.unwrap_err();
            assert_eq!((told.to_string(), told.may_pass()), (expected, may_pass));
        }
        assert!(!failed(&ClientError::Closed).may_pass());
    }
}
