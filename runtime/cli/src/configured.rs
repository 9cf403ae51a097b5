//! `wca -c FILE` and `wca check -c FILE`: what a configuration file says, with the files that it names opened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use wca_agent::settings::{ComponentSource, Configured, Job, NamedOutput, Registered, Rights, Settings};
use wca_agent::{embedded_digest, with_embedded};
use wca_config::{
    ComponentEntry, ConfigError, ConfigErrors, Configuration, KafkaStorage, KnownGuest, ListenAddress, LoggerLevel,
    PrometheusStorage, Storage, Surroundings, load, possible_files, render,
};
use wca_control::Policy;
use wca_log::{Form, Levels};
use wca_sandbox::Origin;
use wca_warden::{
    CompileLimits, FirstNumbers, OutputFile, Reload, Renewed, Wanted, WardenConfig, Written, control_settings,
    kubelet_folder, misnamed_events, open_to_read, wanted, wrong_guards,
};

use crate::arguments::{
    CheckArguments, LimitArguments, ProcessArguments, RegisterArguments, RunArguments, TasksArguments,
};
use crate::policies::{named_apart, policy};
use crate::registered::{self, Named, open_component};
use crate::{config_file, limits, report, start};

/// `wca run -c FILE`.
///
/// # Errors
/// What is wrong with the command line, or cannot be started.
pub(crate) fn run(arguments: RunArguments) -> Result<u8> {
    let RunArguments { config, register, allow_http, limits, pace, seed, process, .. } = arguments;
    let file = ConfigurationFile::new(config.unwrap_or_default(), &register, allow_http, limits, &process)?;
    ConfigurationFile { iterations: pace.iterations, seed, ..file }.start(&process)
}

/// `wca check -c FILE`.
///
/// # Errors
/// What is wrong with the command line, or cannot be started.
pub(crate) fn check(arguments: CheckArguments) -> Result<u8> {
    let CheckArguments { config, register, allow_http, limits, process } = arguments;
    let file = ConfigurationFile::new(config, &register, allow_http, limits, &process)?;
    ConfigurationFile { purpose: Purpose::Check, ..file }.start(&process)
}

/// `wca tasks -c FILE`.
///
/// # Errors
/// What is wrong with the command line, or cannot be started.
pub(crate) fn tasks(arguments: TasksArguments) -> Result<u8> {
    let TasksArguments { config, register, limits, process, json } = arguments;
    let file = ConfigurationFile::new(config.unwrap_or_default(), &register, Vec::new(), limits, &process)?;
    ConfigurationFile { purpose: Purpose::Tasks { json }, ..file }.start(&process)
}

/// What a configuration file is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Run,
    Check,
    Tasks { json: bool },
}

/// A configuration file, with what the command line adds to it.
struct ConfigurationFile {
    path: PathBuf,
    registered: Vec<Named>,
    allow_http: Vec<Origin>,
    limits: LimitArguments,
    levels: Vec<LoggerLevel>,
    form: Form,
    cache: bool,
    iterations: Option<u64>,
    seed: Option<u64>,
    purpose: Purpose,
}

/// What a reading of the file has given.
struct Reading {
    settings: Settings,
    files: Vec<(String, File)>,
    inputs: Vec<PathBuf>,
    outputs: Vec<OutputFile>,
    listeners: Vec<ListenAddress>,
    policies: Vec<Policy>,
    control: wca_control::Settings,
    wanted: Wanted,
    kubelet: Option<PathBuf>,
    interval: Duration,
}

impl ConfigurationFile {
    /// A file that is run until the operator ends it.
    fn new(
        path: PathBuf,
        register: &RegisterArguments,
        allow_http: Vec<Origin>,
        limits: LimitArguments,
        process: &ProcessArguments,
    ) -> Result<Self> {
        Ok(Self {
            path,
            registered: register.register.iter().map(|text| registered::register(text)).collect::<Result<_>>()?,
            allow_http,
            limits,
            levels: process.log.clone(),
            form: process.form(),
            cache: !process.no_cache,
            iterations: None,
            seed: None,
            purpose: Purpose::Run,
        })
    }

    fn start(self, process: &ProcessArguments) -> Result<u8> {
        let (_, compile) = limits::limits(&self.limits)?;
        let reading = match self.read(FirstNumbers { file: 0, output: 0, input: 0, listener: 0 })? {
            Ok(reading) => reading,
            Err(wrong) => {
                report::lines(&wrong);
                return Ok(1);
            }
        };
        let config = start::config(process, reading.settings, reading.files)?;
        let config = WardenConfig {
            inputs: reading.inputs,
            outputs: reading.outputs,
            policies: reading.policies,
            control: reading.control,
            wanted: reading.wanted,
            kubelet: reading.kubelet,
            compile,
            ticks: start::ticks(reading.interval),
            ..config
        };
        if self.purpose != Purpose::Run {
            // Where one that runs listens already, a file that says the same is not wrong.
            return Ok(wca_warden::run(WardenConfig { serves_operator: false, ..config })?);
        }
        let listeners = reading.listeners;
        Ok(wca_warden::run(WardenConfig { listeners, reload: Some(self.reload()), ..config })?)
    }

    /// Reads the file again, when the warden asks for it.
    fn reload(self) -> Reload {
        Reload::new(move |numbers| match self.read(numbers) {
            Ok(Ok(reading)) => Ok(Renewed {
                settings: reading.settings.encode().map_err(|error| error.to_string())?,
                files: reading.files,
                inputs: reading.inputs,
                outputs: reading.outputs,
                listeners: reading.listeners,
                policies: reading.policies,
                control: reading.control,
                wanted: reading.wanted,
                kubelet: reading.kubelet,
                ticks: start::ticks(reading.interval),
            }),
            Ok(Err(wrong)) => Err(wrong),
            Err(error) => Err(format!("{error:#}")),
        })
    }

    /// Reads and checks the file, and opens what it names; the inner error is what is wrong with the file, as it is to be
    /// shown.
    fn read(&self, first: FirstNumbers) -> Result<Result<Reading, String>> {
        let text = config_file::read(&self.path)?;
        let source = self.path.display().to_string();
        let asked = RefCell::new(BTreeMap::new());
        let environment = |name: &str| {
            let value = std::env::var(name).ok();
            if let Some(value) = &value {
                asked.borrow_mut().insert(name.to_owned(), value.clone());
            }
            value
        };
        let guests = self.known_guests();
        let loaded = load(
            &text,
            &Surroundings {
                source: &source,
                environment: &environment,
                readable: &|path| open_to_read(path).map(drop).map_err(|error| error.to_string()),
                guests: &guests,
                other_guests: self.registered.iter().any(|named| named.tag.is_none()),
            },
        );
        let configuration = match loaded {
            Ok(configuration) => configuration,
            Err(errors) => return Ok(Err(render(&errors, &text))),
        };
        let measurement = configuration.runner.measurement();
        let misnamed = misnamed_events(measurement).into_iter();
        let misnamed = misnamed.map(|(place, what)| ConfigError { place: Box::new(place), what, help: None });
        let wrong = wrong_guards(&configuration.runner).into_iter();
        let wrong = wrong.map(|(place, what, help)| ConfigError { place: Box::new(place), what, help: Some(help) });
        let errors = ConfigErrors { errors: misnamed.chain(wrong).collect() };
        if !errors.errors.is_empty() {
            return Ok(Err(render(&errors, &text)));
        }
        let mut files = Vec::new();
        let registered = match self.registered(&configuration, first, &mut files)? {
            Ok(registered) => registered,
            Err(errors) => return Ok(Err(render(&errors, &text))),
        };
        let (outputs, named_outputs) = outputs(&configuration, first)?;
        let arguments = configuration.guests.iter().flat_map(|guest| possible_files(&guest.parameters));
        let (inputs, named_inputs) = start::inputs(arguments, first.input)?;
        let secrets = secrets(&configuration, first, &mut files)?;
        let (listeners, named_listeners) = listeners(&configuration, first)?;
        let (registered, embedded) = registered;
        let policies = policies(&configuration, &registered, first, &files)?;
        let configured = Configured {
            source,
            text,
            environment: asked.into_inner().into_iter().collect(),
            registered,
            embedded,
            rights: self.rights(None).map_err(|error| anyhow!("{error}"))?,
            inputs: named_inputs,
            outputs: named_outputs,
            listeners: named_listeners,
            secrets,
            iterations: self.iterations,
            seed: self.seed,
            check: self.purpose == Purpose::Check,
        };
        let settings = Settings {
            levels: Levels::new(&configuration.loggers, &self.levels),
            form: self.form,
            cache: self.cache,
            job: match self.purpose {
                Purpose::Tasks { json } => Job::Tasks { configured: Some(configured), json },
                Purpose::Run | Purpose::Check => Job::Configured(configured),
            },
        };
        let runner = &configuration.runner;
        let (control, kubelet) = (control_settings(runner), kubelet_folder(runner));
        let (wanted, interval) = (wanted(measurement)?, measurement.interval.duration());
        Ok(Ok(Reading { settings, files, inputs, outputs, listeners, policies, control, wanted, kubelet, interval }))
    }

    fn known_guests(&self) -> Vec<KnownGuest> {
        let tagged = self.registered.iter().filter_map(|named| named.tag.clone());
        with_embedded(tagged.map(|tag| KnownGuest { tag, role: None }).collect())
    }

    /// The components of the command line and of the file, opened, with what each may use; and what built-in ones may.
    #[allow(clippy::type_complexity, reason = "said in the comment")]
    fn registered(
        &self,
        configuration: &Configuration,
        first: FirstNumbers,
        files: &mut Vec<(String, File)>,
    ) -> Result<Result<(Vec<Registered>, Vec<(String, Rights)>), ConfigErrors>> {
        let entry = |tag: &str| configuration.components.iter().find(|entry| entry.tag == tag);
        let mut errors = Vec::new();
        let mut registered = Vec::new();
        for named in &self.registered {
            let component = open_component(&named.path, first.file, files)?;
            match self.rights(named.tag.as_deref().and_then(entry)) {
                Ok(rights) => registered.push(Registered { tag: named.tag.clone(), component, rights }),
                Err(error) => errors.push(error),
            }
        }
        let mut embedded = Vec::new();
        for entry in &configuration.components {
            if self.registered.iter().any(|named| named.tag.as_deref() == Some(entry.tag.as_str())) {
                continue;
            }
            let rights = match self.rights(Some(entry)) {
                Ok(rights) => rights,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            match &entry.path {
                None => embedded.push((entry.tag.clone(), rights)),
                Some((path, place)) => match open_component(path, first.file, files) {
                    Ok(component) => registered.push(Registered { tag: Some(entry.tag.clone()), component, rights }),
                    Err(error) => errors.push(ConfigError {
                        place: Box::new(place.clone()),
                        what: format!("{error:#}"),
                        help: None,
                    }),
                },
            }
        }
        Ok(if errors.is_empty() { Ok((registered, embedded)) } else { Err(ConfigErrors { errors }) })
    }

    /// What a component may use and is granted: by default, by the file, and by the command line, which wins.
    fn rights(&self, entry: Option<&ComponentEntry>) -> Result<Rights, ConfigError> {
        let wrong =
            |place: &wca_config::Place, what: String| ConfigError { place: Box::new(place.clone()), what, help: None };
        let mut rights = Rights::default();
        for (name, value, place) in entry.iter().flat_map(|entry| &entry.limits) {
            rights.limits.set(name, value).map_err(|error| wrong(place, error.to_string()))?;
        }
        for (origin, place) in entry.iter().flat_map(|entry| &entry.allow_http) {
            let origin = origin.parse().map_err(|error: wca_sandbox::OriginError| wrong(place, error.to_string()))?;
            rights.grants.http.push(origin);
        }
        rights.grants.http.extend(self.allow_http.iter().cloned());
        // What the command line asks for was checked at the start.
        let _ = limits::set(&self.limits, &mut rights.limits, &mut CompileLimits::default());
        Ok(rights)
    }
}

/// The policies of the file, in the order in which they are numbered.
fn policies(
    configuration: &Configuration,
    registered: &[Registered],
    first: FirstNumbers,
    files: &[(String, File)],
) -> Result<Vec<Policy>> {
    let guests = configuration.runner.deciders().into_iter().filter_map(|guest| configuration.guests.get(guest.0));
    let policies = guests.map(|guest| {
        let with_tag = |tag: Option<&str>| -> Vec<&ComponentSource> {
            registered.iter().filter(|one| one.tag.as_deref() == tag).map(|one| &one.component).collect()
        };
        let embedded = ComponentSource::Embedded { name: guest.tag.clone() };
        let mut components = with_tag(Some(&guest.tag));
        if components.is_empty() {
            // Those without a tag have names that are known when they are loaded: it can be any of them.
            components = with_tag(None);
            components.extend(embedded_digest(&guest.tag).is_some().then_some(&embedded));
        }
        policy(&guest.tag, &components, &guest.parameters.canonical(), first.file, files)
    });
    Ok(named_apart(policies.collect::<Result<_>>()?))
}

/// The files that log storages write, each once.
fn outputs(configuration: &Configuration, first: FirstNumbers) -> Result<(Vec<OutputFile>, Vec<NamedOutput>)> {
    let (mut outputs, mut named) = (Vec::new(), Vec::<NamedOutput>::new());
    for storage in &configuration.storages {
        let Storage::Log(log) = storage else { continue };
        let Some(path) = &log.output_filename else { continue };
        if named.iter().any(|known| known.path == *path && known.replaced == log.overwrite) {
            continue;
        }
        let number = first.output + u32::try_from(outputs.len()).context("too many outputs")?;
        let written = if log.overwrite { Written::Replaced } else { Written::Appended };
        outputs.push(OutputFile { path: path.into(), written });
        named.push(NamedOutput { path: path.clone(), replaced: log.overwrite, number });
    }
    Ok((outputs, named))
}

fn prometheus_storages(configuration: &Configuration) -> impl Iterator<Item = &PrometheusStorage> {
    configuration.storages.iter().filter_map(|storage| match storage {
        Storage::Prometheus(prometheus) => Some(&**prometheus),
        _ => None,
    })
}

/// Where storages are asked.
#[allow(clippy::type_complexity, reason = "an address, and the same with its number")]
fn listeners(configuration: &Configuration, first: FirstNumbers) -> Result<(Vec<ListenAddress>, Vec<(String, u32)>)> {
    let addresses: Vec<ListenAddress> = prometheus_storages(configuration).map(|one| one.listen.clone()).collect();
    let last = u32::try_from(addresses.len()).context("too many listeners")?;
    let named = addresses.iter().map(ListenAddress::to_string).zip(first.listener..first.listener + last).collect();
    Ok((addresses, named))
}

/// The certificates and secrets of storages, opened, each once.
fn secrets(
    configuration: &Configuration,
    first: FirstNumbers,
    files: &mut Vec<(String, File)>,
) -> Result<Vec<(String, u32)>> {
    let mut secrets = Vec::<(String, u32)>::new();
    let kafka = configuration.storages.iter().filter_map(|storage| match storage {
        Storage::Kafka(kafka) => Some(&**kafka),
        _ => None,
    });
    let prometheus = prometheus_storages(configuration).flat_map(PrometheusStorage::secret_paths);
    for path in prometheus.chain(kafka.flat_map(KafkaStorage::secret_paths)) {
        if secrets.iter().any(|(known, _)| known == path) {
            continue;
        }
        let file = open_to_read(path).with_context(|| format!("{path}: it cannot be opened"))?;
        if !file.metadata().with_context(|| path.to_owned())?.is_file() {
            bail!("{path}: this is no file; a certificate, a key, a password or a token is read from one");
        }
        let number = u32::try_from(files.len()).context("too many files")?;
        files.push((path.to_owned(), file));
        secrets.push((path.to_owned(), first.file + number));
    }
    Ok(secrets)
}
