//! The components that a file names: loaded, fitted to their roles, made policies.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use wca_config::{ConfigError, ConfigErrors, Configuration, Guest, KnownGuest, Role};
use wca_sandbox::{MakeError, Policy, World};

use crate::embedded::{embedded_components, with_embedded};
use crate::entry::Agent;
use crate::file_arguments::{FileArguments, Unusable};
use crate::load::{ComponentError, Loaded};
use crate::run::{free_name, start};
use crate::settings::{ComponentSource, Configured, NamedInput, Registered, Rights};

/// A component that a file can name, by its tag.
#[derive(Clone)]
pub(crate) struct Available {
    pub(crate) loaded: Loaded,
    pub(crate) rights: Rights,
}

/// The components by tag, as far as they are loaded.
pub(crate) type Components = HashMap<String, Available>;

/// Loads the components that are registered by path alone, since nobody else knows their tags.
pub(crate) async fn load_untagged(agent: &Agent, registered: &[Registered]) -> Result<Components, String> {
    let untagged: Vec<Registered> = registered.iter().filter(|one| one.tag.is_none()).cloned().collect();
    let mut components = Components::new();
    for (registered, loaded) in load(agent, untagged).await {
        let loaded = loaded.map_err(|error| error.to_string())?;
        if let Some(other) = components.get(&loaded.name) {
            let (name, path, other) = (&loaded.name, &loaded.path, &other.loaded.path);
            return Err(format!("{path} and {other} are both {name}; give one another tag, as in -r {name}2={path}"));
        }
        components.insert(loaded.name.clone(), Available { loaded, rights: registered.rights });
    }
    Ok(components)
}

/// Loads the components that the file uses besides those that are loaded.
pub(crate) async fn load_used(
    agent: &Agent,
    settings: &Configured,
    configuration: &Configuration,
    components: &mut Components,
) -> Result<(), ConfigErrors> {
    let used = |tag: &str| configuration.guests.iter().find(|guest| guest.tag == tag);
    let tagged = settings.registered.iter().filter(|one| one.tag.as_deref().is_some_and(|tag| used(tag).is_some()));
    let mut wanted: Vec<Registered> = tagged.cloned().collect();
    for embedded in embedded_components() {
        let is_replaced = wanted.iter().any(|one| one.tag.as_deref() == Some(embedded.name));
        if used(embedded.name).is_some() && !is_replaced && !components.contains_key(embedded.name) {
            let own = settings.embedded.iter().find(|(name, _)| name == embedded.name);
            wanted.push(Registered {
                tag: Some(embedded.name.into()),
                component: ComponentSource::Embedded { name: embedded.name.into() },
                rights: own.map_or_else(|| settings.rights.clone(), |(_, rights)| rights.clone()),
            });
        }
    }
    let mut errors = Vec::new();
    for (registered, loaded) in load(agent, wanted).await {
        let tag = registered.tag.unwrap_or_default();
        match (loaded, used(&tag)) {
            (Ok(loaded), _) => {
                let loaded = Loaded { name: tag.clone(), ..loaded };
                components.insert(tag, Available { loaded, rights: registered.rights });
            }
            (Err(error), Some(guest)) => errors.push(at(guest, error.to_string(), None)),
            (Err(_), None) => {}
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors { errors }) }
}

async fn load(agent: &Agent, wanted: Vec<Registered>) -> Vec<(Registered, Result<Loaded, ComponentError>)> {
    let mut loading = JoinSet::new();
    for (number, registered) in wanted.into_iter().enumerate() {
        let agent = agent.clone();
        loading.spawn(async move {
            let loaded = agent.load(&registered.component).await;
            (number, registered, loaded)
        });
    }
    let mut loaded = loading.join_all().await;
    loaded.sort_by_key(|(number, ..)| *number);
    loaded.into_iter().map(|(_, registered, loaded)| (registered, loaded)).collect()
}

/// What is known of each component before the file is read.
pub(crate) fn known_guests(settings: &Configured, components: &Components) -> Vec<KnownGuest> {
    let loaded = components.iter().map(|(tag, one)| KnownGuest { tag: tag.clone(), role: role_of(one) });
    let tagged = settings.registered.iter().filter_map(|one| one.tag.clone());
    with_embedded(loaded.chain(tagged.map(|tag| KnownGuest { tag, role: None })).collect())
}

fn role_of(available: &Available) -> Option<Role> {
    Some(match available.loaded.component.world {
        World::Runner | World::Command => Role::Runner,
        World::Storage => Role::Storage,
        World::Detector => Role::Detector,
        World::Allocator => Role::Allocator,
    })
}

/// The files that arguments of components name.
pub(crate) struct Files<'a> {
    /// Those that the operator has named.
    pub(crate) inputs: &'a [NamedInput],
    /// What was read, by path.
    pub(crate) texts: Vec<(String, String)>,
}

impl Files<'_> {
    async fn read(
        &mut self,
        agent: &Agent,
        loaded: &Loaded,
        guest: &Guest,
    ) -> Result<Option<FileArguments>, ConfigError> {
        let (client, component) = (&agent.client, &loaded.component);
        match FileArguments::read(client, &loaded.name, component, &guest.parameters, self.inputs).await {
            Ok(read) => {
                self.texts.extend(read.iter().flat_map(FileArguments::texts));
                Ok(read)
            }
            Err(Unusable { error, text }) => {
                self.texts.extend(text.map(|text| (error.place.source.to_string(), text)));
                Err(error)
            }
        }
    }
}

/// By what a policy is the same over readings of the file: its component, its arguments, its rights, and its role.
pub(crate) fn identity(guest: &Guest, available: &Available) -> String {
    let digest = available.loaded.component.description.digest_text();
    let (tag, rights, role) = (&guest.tag, &available.rights, guest.role.phrase());
    format!("{tag} {digest} {role} {rights:?} {}", guest.parameters.canonical())
}

/// Makes a policy of a guest, under a name that no other has, and starts it: what its `configure` refuses is an error at its
/// place in the file.
pub(crate) async fn make(
    agent: &Agent,
    guest: &Guest,
    available: &Available,
    seed: u64,
    taken: &[&str],
    files: &mut Files<'_>,
) -> Result<Policy, ConfigError> {
    check_role(guest, available)?;
    let mut loaded = available.loaded.clone();
    if let Some(name) = free_name(&loaded.name, taken) {
        loaded.name = name;
    }
    let read = files.read(agent, &loaded, guest).await?;
    let arguments = read.as_ref().map_or_else(|| Arc::clone(&guest.parameters), FileArguments::arguments);
    let made = agent.policy(loaded, &arguments, &available.rights, seed);
    let mut policy = made.map_err(|error| made_error(guest, available, error))?;
    if let Err(why) = start(&mut policy).await {
        let place = policy.place_of(&why).unwrap_or_else(|| guest.place.clone());
        let what = format!("`!{}` refuses its arguments: {why}", guest.tag);
        return Err(ConfigError { place: Box::new(place), what, help: None });
    }
    if let Some(read) = read {
        policy.follow(Box::new(read));
    }
    Ok(policy)
}

fn check_role(guest: &Guest, available: &Available) -> Result<(), ConfigError> {
    match role_of(available) {
        Some(role) if role != guest.role => {
            let (tag, is, wanted) = (&guest.tag, role.phrase(), guest.role.phrase());
            Err(at(guest, format!("`!{tag}` is {is}; {wanted} is expected here"), None))
        }
        _ => Ok(()),
    }
}

fn made_error(guest: &Guest, available: &Available, error: ComponentError) -> ConfigError {
    match error {
        ComponentError::Make(MakeError::Configure(error)) => {
            ConfigError { place: error.place, what: format!("{}: {}", error.path, error.what), help: None }
        }
        error => {
            let needs_http = !available.loaded.component.grants_needed().is_empty();
            let help = (needs_http && available.rights.grants.http.is_empty()).then(|| {
                let tag = &guest.tag;
                format!(
                    "name the origins that it may send requests to, for instance:\n\
                     components:\n  {tag}:\n    allow_http: [\"http://127.0.0.1:8000\"]"
                )
            });
            at(guest, error.to_string(), help)
        }
    }
}

fn at(guest: &Guest, what: String, help: Option<String>) -> ConfigError {
    ConfigError { place: Box::new(guest.place.clone()), what, help }
}
