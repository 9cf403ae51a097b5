//! From a file's text to everything that runs: nothing of it runs yet, and what runs already is left alone.

use std::collections::HashMap;
use std::time::Duration;

use wca_config::{
    ConfigError, ConfigErrors, Configuration, FilterStorage, GuestId, Interval, ListenAddress, Role, Storage,
    StorageId, Surroundings, load, render, render_in,
};
use wca_model::DeliveryTerms;
use wca_sandbox::Policy;
use wca_storage::{Filter, FilterError, Outlet, TextForm};

use crate::configured::guests::{self, Components, Files};
use crate::configured::kafka;
use crate::configured::rdt::{check_rdt, check_required};
use crate::configured::site::site;
use crate::configured::swap::{Running, Way};
use crate::configured::view::view;
use crate::entry::Agent;
use crate::memory_topology::{Memory, MemoryError};
use crate::roster::View;
use crate::settings::Configured;
use crate::storages::LogTarget;

/// A policy that is new, or one that runs already and stays.
pub(crate) enum Part {
    /// The policy that runs under this name, with its identity.
    Kept(String, String),
    /// A new one, with its identity.
    New(String, Box<Policy>),
}

/// Everything that a file asks for.
pub(crate) struct Built {
    view: Option<View>,
    pub(crate) interval: Duration,
    /// What is known of the memory modules.
    pub(crate) memory: Memory,
    /// One tick, without a wait.
    pub(crate) once: bool,
    /// The runner, where it is a component; `runner_identity` says which.
    pub(crate) runner: Option<Policy>,
    pub(crate) runner_identity: Option<String>,
    /// Detectors and allocators.
    pub(crate) members: Vec<Part>,
    /// The ways to storages, by their places in the outlets.
    pub(crate) ways: Vec<Way>,
    pub(crate) metrics: Outlet,
    pub(crate) anomalies: Option<Outlet>,
    pub(crate) allocations: Option<Outlet>,
    /// What the operator should hear once.
    pub(crate) notes: Vec<String>,
}

impl Built {
    /// With these ways to storages, and nothing else.
    #[cfg(test)]
    pub(crate) fn of_ways(ways: Vec<Way>) -> Self {
        let metrics = Outlet::all((0..ways.len()).map(Outlet::to));
        Self {
            view: None,
            interval: Duration::from_secs(1),
            memory: Memory::default(),
            once: false,
            runner: None,
            runner_identity: None,
            members: Vec::new(),
            ways,
            metrics,
            anomalies: None,
            allocations: None,
            notes: Vec::new(),
        }
    }

    /// How tasks are found; once.
    pub(crate) fn take_view(&mut self) -> View {
        self.view.take().unwrap_or_else(View::everything)
    }
}

/// Builds what the file asks for beside what runs; the error is all that is wrong, as it is to be shown.
pub(crate) async fn build(agent: &Agent, settings: &Configured, running: &Running) -> Result<Built, String> {
    let mut components = guests::load_untagged(agent, &settings.registered).await?;
    let shown = |errors: ConfigErrors| render(&errors, &settings.text);
    let configuration = read(settings, &components).map_err(shown)?;
    guests::load_used(agent, settings, &configuration, &mut components).await.map_err(shown)?;
    let files = Files { inputs: &settings.inputs, texts: Vec::new() };
    let (configuration, components) = (&configuration, &components);
    Building { agent, settings, running, configuration, components, taken: Vec::new(), files }.build().await
}

/// Reads the text again that the operator's process has read and opened files for.
fn read(settings: &Configured, components: &Components) -> Result<Configuration, ConfigErrors> {
    let environment = |name: &str| {
        let found = settings.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    load(
        &settings.text,
        &Surroundings {
            source: &settings.source,
            environment: &environment,
            // Judged by the operator's process, whose rights count.
            readable: &|_| Ok(()),
            guests: &guests::known_guests(settings, components),
            other_guests: false,
        },
    )
}

struct Building<'a> {
    agent: &'a Agent,
    settings: &'a Configured,
    running: &'a Running,
    configuration: &'a Configuration,
    components: &'a Components,
    /// Names that policies have.
    taken: Vec<String>,
    files: Files<'a>,
}

impl Building<'_> {
    async fn build(mut self) -> Result<Built, String> {
        let runner = &self.configuration.runner;
        let measurement = runner.measurement();
        check_rdt(measurement, &self.agent.platform).map_err(|error| self.shown(error))?;
        check_required(runner, &self.agent.platform).map_err(|error| self.shown(error))?;
        let memory = Memory::ask(&self.agent.client, measurement).await.map_err(|error| match error {
            MemoryError::Config(error) => self.shown(error),
            error @ MemoryError::Client(_) => error.to_string(),
        })?;
        let view = view(runner)?;
        let (policy, runner_identity) = match runner.component() {
            Some(guest) => self.runner(guest).await.map(|(policy, identity)| (policy, Some(identity)))?,
            None => (None, None),
        };
        let mut members = Vec::new();
        for guest in runner.deciders() {
            members.push(self.part(guest).await?);
        }
        let mut notes = self.configuration.notes.clone();
        let (ways, outlets) = self.ways(&mut notes).await?;
        let outlet = |storage: StorageId| outlets.get(&storage).cloned().unwrap_or_default();
        Ok(Built {
            view: Some(view),
            interval: measurement.interval.duration(),
            memory,
            once: measurement.interval == Interval::Once,
            runner: policy,
            runner_identity,
            members,
            ways,
            metrics: outlet(measurement.metrics_storage),
            anomalies: runner.anomalies_storage().map(outlet),
            allocations: runner.allocations_storage().map(outlet),
            notes,
        })
    }

    /// What is wrong, in its line of the file.
    fn shown(&self, error: ConfigError) -> String {
        render_in(&error.into(), |path| {
            let file = self.files.texts.iter().find(|(known, _)| known == path);
            file.map(|(_, text)| text.as_str()).or((path == self.settings.source).then_some(&self.settings.text))
        })
    }

    /// The runner. One that runs already stays; another one cannot take its place while it runs.
    async fn runner(&mut self, guest: GuestId) -> Result<(Option<Policy>, String), String> {
        match self.part(guest).await? {
            Part::Kept(identity, _) => Ok((None, identity)),
            Part::New(identity, policy) => Ok((Some(*policy), identity)),
        }
    }

    async fn part(&mut self, guest: GuestId) -> Result<Part, String> {
        let Some(guest) = self.configuration.guests.get(guest.0) else { return Err("a component is missing".into()) };
        let Some(available) = self.components.get(&guest.tag) else {
            return Err(format!("{}: `!{}` is not registered", guest.place, guest.tag));
        };
        let mut identity = guests::identity(guest, available);
        if guest.role == Role::Storage {
            // What its worker was given stays with it.
            identity.push_str(&format!("{:?}", self.terms_of(&guest.tag)));
        }
        let kept = self.running.names_of(&identity).find(|name| !self.taken.iter().any(|taken| taken == name));
        if let Some(name) = kept.map(str::to_owned) {
            self.taken.push(name.clone());
            return Ok(Part::Kept(identity, name));
        }
        let taken: Vec<&str> = self.taken.iter().map(String::as_str).collect();
        let seed = self.seed();
        let made = guests::make(self.agent, guest, available, seed, &taken, &mut self.files).await;
        let policy = made.map_err(|error| self.shown(error))?;
        self.taken.push(policy.name().to_string());
        Ok(Part::New(identity, Box::new(policy)))
    }

    fn seed(&self) -> u64 {
        let seed = self.settings.seed.unwrap_or_else(|| getrandom::u64().unwrap_or_default());
        seed ^ ((self.taken.len() as u64) << 32)
    }

    /// A way to each storage that keeps something, and where each storage of the file leads; adds what the operator should hear.
    async fn ways(&mut self, notes: &mut Vec<String>) -> Result<(Vec<Way>, HashMap<StorageId, Outlet>), String> {
        let mut ways = Vec::new();
        let mut outlets = HashMap::new();
        for (number, storage) in self.configuration.storages.iter().enumerate() {
            let outlet = match storage {
                Storage::Log(log) => {
                    ways.push(Way::Log(self.form(log), self.target(log)?, log.delivery));
                    Outlet::to(ways.len() - 1)
                }
                Storage::Prometheus(storage) => {
                    let site = site(&self.agent.client, self.settings, storage).await;
                    let site = site.map_err(|error| self.shown(error))?;
                    ways.push(Way::Prometheus(storage.listen.clone(), self.listener(&storage.listen)?, site));
                    Outlet::to(ways.len() - 1)
                }
                Storage::Guest(guest) => {
                    let terms = self.terms(*guest);
                    ways.push(Way::Guest(self.part(*guest).await?, terms));
                    Outlet::to(ways.len() - 1)
                }
                // Those inside of a filter stand before it.
                Storage::Filter(filter) => {
                    let inner = filter.storages.iter().map(|id| outlets.get(id).cloned().unwrap_or_default());
                    Outlet::through(self.filter(filter)?, inner)
                }
                Storage::Kafka(storage) => {
                    let options = kafka::options(&self.agent.client, self.settings, storage).await;
                    let options = options.map_err(|error| self.shown(error))?;
                    let made = kafka::made(&options, storage).map_err(|error| self.shown(error))?;
                    notes.extend(made.notes().iter().map(|note| format!("{}: {note}", storage.extra_place)));
                    ways.push(Way::Kafka(Box::new((options, storage.delivery)), Box::new(made)));
                    Outlet::to(ways.len() - 1)
                }
            };
            outlets.insert(StorageId(number), outlet);
        }
        Ok((ways, outlets))
    }

    /// How metrics are given to this storage.
    fn terms(&self, guest: GuestId) -> DeliveryTerms {
        let guest = self.configuration.guests.get(guest.0);
        guest.map_or_else(DeliveryTerms::default, |guest| self.terms_of(&guest.tag))
    }

    fn terms_of(&self, tag: &str) -> DeliveryTerms {
        let entry = self.configuration.components.iter().find(|entry| entry.tag == tag);
        entry.and_then(|entry| entry.delivery).unwrap_or_default()
    }

    fn form(&self, log: &wca_config::LogStorage) -> TextForm {
        TextForm { timestamps: log.include_timestamp, labels: log.filter_labels.clone() }
    }

    fn filter(&self, storage: &FilterStorage) -> Result<Filter, String> {
        let filter = Filter::new(storage.filter.as_deref(), &storage.labels);
        filter.map_err(|error| {
            let place = match &error {
                FilterError::Name { .. } | FilterError::Names { .. } => &storage.filter_place,
                FilterError::Label { .. } => &storage.labels_place,
            };
            self.shown(ConfigError {
                place: Box::new(place.clone()),
                what: format!("`!FilterStorage`: {error}"),
                help: None,
            })
        })
    }

    fn listener(&self, address: &ListenAddress) -> Result<u32, String> {
        let listener = self.settings.listeners.iter().find(|(known, _)| *known == address.to_string());
        listener
            .map(|(_, number)| *number)
            .ok_or_else(|| format!("{address}: the warden was not asked to listen there"))
    }

    fn target(&self, log: &wca_config::LogStorage) -> Result<LogTarget, String> {
        let Some(path) = &log.output_filename else { return Ok(LogTarget::StandardError) };
        let mut outputs = self.settings.outputs.iter();
        let output = outputs.find(|output| output.path == *path && output.replaced == log.overwrite);
        let output = output.ok_or_else(|| format!("{path}: the warden was not asked to open it"))?.number;
        let path = path.clone();
        Ok(if log.overwrite { LogTarget::Replaced { path, output } } else { LogTarget::Appended { path, output } })
    }
}
