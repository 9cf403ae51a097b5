//! The tasks of the node: found, made known to the warden, kept while they do not change.

use std::sync::Arc;

use wca_messages::{Cgroup, Reply, Request};
use wca_model::batch::LabelSets;
use wca_model::{Catalog, Label, Platform, Roster, Sample};
use wca_node::{CgroupNode, Discovered, Discovery, Globs};

use crate::client::{Client, ClientError};

/// Names of metrics that were first documented otherwise: today's, and the first.
const RENAMED: [(&str, &str); 3] = [
    ("wca_mem_usage_bytes", "wca_memory_usage_bytes"),
    ("platform_mem_usage_bytes", "memory_usage"),
    ("platform_cpu_usage", "cpu_usage_per_cpu"),
];

/// How tasks are found, and how what is measured of them is stored.
pub(crate) struct View {
    /// Who is a task.
    pub(crate) discovery: Box<dyn Discovery>,
    /// Labels of every metric besides `host`.
    pub(crate) labels: Vec<Label>,
    /// Whether three metrics have the names by which they were first documented.
    pub(crate) has_first_names: bool,
}

impl View {
    /// Every cgroup that holds processes is a task.
    pub(crate) fn everything() -> Self {
        let discovery = CgroupNode { cgroups: Globs::all(), exclude: Globs::none(), labels: Vec::new() };
        Self { discovery: Box::new(discovery), labels: Vec::new(), has_first_names: false }
    }
}

/// What changes rarely: who is running, what is measured, and the texts of their labels.
pub(crate) struct Known {
    pub(crate) roster: Arc<Roster>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) platform: Arc<Platform>,
    pub(crate) labels: Arc<LabelSets>,
    pub(crate) common: Vec<Label>,
    view: View,
    cgroups: Vec<Cgroup>,
    discovered: Vec<Discovered>,
    /// Whether the warden knows the tasks that were discovered.
    is_told: bool,
    changes: u64,
}

impl Known {
    pub(crate) fn new(platform: Arc<Platform>, catalog: Arc<Catalog>, view: View) -> Self {
        let mut known = Self {
            roster: Arc::default(),
            catalog,
            platform,
            labels: Arc::new(LabelSets::none()),
            common: Vec::new(),
            view,
            cgroups: Vec::new(),
            discovered: Vec::new(),
            is_told: false,
            changes: 0,
        };
        known.renew_labels();
        known
    }

    /// Looks at the node in another way from now on.
    pub(crate) fn look(&mut self, view: View) {
        self.view = view;
        self.discovered = self.view.discovery.tasks(&self.cgroups);
        self.is_told = false;
        self.renew_labels();
    }

    /// Samples of the agent's own, under the names by which they are stored.
    pub(crate) fn named(&self, mut samples: Vec<Sample>) -> Vec<Sample> {
        for sample in &mut samples {
            if let Some(name) = self.first_name(&sample.name) {
                sample.name = name.into();
            }
        }
        samples
    }

    fn first_name(&self, name: &str) -> Option<&'static str> {
        let renamed = RENAMED.iter().find(|(now, _)| self.view.has_first_names && *now == name);
        renamed.map(|(_, first)| *first)
    }

    /// The texts of labels, after a change of anything that is in them.
    fn renew_labels(&mut self) {
        let host = ("host".to_owned(), self.platform.host.clone());
        self.common = std::iter::once(host).filter(|_| !self.has_label("host")).collect();
        self.common.extend(self.view.labels.iter().cloned());
        self.changes += 1;
        let mut catalog = (*self.catalog).clone();
        for metric in &mut catalog.metrics {
            if let Some(name) = self.first_name(&metric.name) {
                metric.name = name.into();
            }
        }
        self.labels = Arc::new(LabelSets::new(self.changes, &self.roster, &catalog, &self.common));
    }

    fn has_label(&self, name: &str) -> bool {
        self.view.labels.iter().any(|(label, _)| label == name)
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
            self.discovered = self.view.discovery.tasks(&cgroups);
            self.cgroups = cgroups;
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
        self.renew_labels();
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
