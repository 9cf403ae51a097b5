//! The tasks of the node: found, made known to the warden, kept while they do not change.

use std::sync::Arc;

use wca_messages::{Reply, Request};
use wca_model::batch::LabelSets;
use wca_model::{Catalog, Label, Platform, Roster};
use wca_node::{Discovered, tasks_of};

use crate::client::{Client, ClientError};

/// What changes rarely: who is running, what is measured, and the texts of their labels.
pub(crate) struct Known {
    pub(crate) roster: Arc<Roster>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) platform: Arc<Platform>,
    pub(crate) labels: Arc<LabelSets>,
    pub(crate) common: Vec<Label>,
    discovered: Vec<Discovered>,
    /// Whether the warden knows the tasks that were discovered.
    is_told: bool,
    changes: u64,
}

impl Known {
    pub(crate) fn new(platform: Arc<Platform>, catalog: Arc<Catalog>) -> Self {
        let common = vec![("host".into(), platform.host.clone())];
        let roster = Arc::<Roster>::default();
        let labels = Arc::new(LabelSets::new(0, &roster, &catalog, &common));
        Self { roster, catalog, platform, labels, common, discovered: Vec::new(), is_told: false, changes: 0 }
    }

    /// Lets the next discovery tell the warden all tasks again.
    pub(crate) fn forget_tasks(&mut self) {
        self.is_told = false;
    }

    /// Finds the tasks; the warden is told where they changed.
    pub(crate) async fn discover(&mut self, client: &Client) -> Result<(), ClientError> {
        let Reply::Tree { cgroups, notices } = client.ask(&Request::Tree).await?.reply else {
            return Err(ClientError::Unexpected);
        };
        say(&notices);
        if let Some(cgroups) = cgroups {
            self.discovered = tasks_of(&cgroups);
            self.is_told = false;
        }
        if self.is_told {
            return Ok(());
        }
        let found = &self.discovered;
        let tasks = found.iter().map(|task| task.entry.clone()).collect();
        let Reply::Roster { version, keys, catalog, platform, notices } =
            client.ask(&Request::Roster { tasks }).await?.reply
        else {
            return Err(ClientError::Unexpected);
        };
        say(&notices);
        let tasks = found.iter().zip(keys).filter_map(|(task, key)| Some(Arc::new(task.with_key(key?)))).collect();
        self.roster = Arc::new(Roster { version, tasks });
        if let Some(catalog) = catalog {
            self.catalog = Arc::new(catalog);
        }
        if let Some(platform) = platform {
            self.platform = Arc::new(platform);
        }
        self.changes += 1;
        self.labels = Arc::new(LabelSets::new(self.changes, &self.roster, &self.catalog, &self.common));
        self.is_told = true;
        Ok(())
    }
}

/// What could not be read; the warden says each once.
pub(crate) fn say(notices: &[String]) {
    for notice in notices {
        tracing::warn!("{notice}");
    }
}
