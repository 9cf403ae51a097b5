//! A component, loaded and judged.

use std::fmt::Write as _;
use std::sync::Arc;

use semver::Version;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{InstancePre, types};

use crate::contract::{self, CONTRACT_VERSION, World};
use crate::description::Description;
use crate::engine::Sandbox;
use crate::grants::Grants;
use crate::machine_code;
use crate::signature;
use crate::state::State;
use crate::text::printable;

/// Most bytes of the engine's reason why a component cannot be linked, which repeats names of the component's.
const LONGEST_REASON: usize = 4 << 10;

/// Why a component was refused at load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its code does not fit.
    #[error("{0}")]
    Code(String),
    /// It exports no world, or several, or a world's function with another type.
    #[error("{0}")]
    World(String),
    /// It imports what it does not get.
    #[error("{}", .0.join("\n"))]
    Imports(Vec<String>),
    /// It cannot be linked for another reason.
    #[error("it cannot be linked: {0}")]
    Link(String),
    /// Its `configure` or `may-recycle` is of a form that nobody can call.
    #[error("{0}")]
    Constructor(String),
}

/// A component that was compiled and examined; linking it makes it ready to run.
#[derive(Clone)]
pub struct Component {
    /// What the compile child told of it.
    pub description: Arc<Description>,
    /// What it is.
    pub world: World,
    /// What it imports, sorted.
    pub imports: Vec<String>,
    /// The contract that it was built for; none where it imports nothing of it.
    pub contract: Option<Version>,
    pub(crate) constructor: Option<ComponentFunc>,
    pub(crate) may_recycle: bool,
    code: wasmtime::component::Component,
}

/// A component with what it imports, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<State>,
}

impl Component {
    /// Loads compiled code and finds out what it is. Nothing of the component runs.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(sandbox: &Sandbox, compiled: &[u8]) -> Result<Self, LoadError> {
        let (description, code) =
            machine_code::load(&sandbox.engine, compiled).map_err(|error| LoadError::Code(error.to_string()))?;
        let ty = code.component_type();
        let mut imports: Vec<String> = ty.imports(&sandbox.engine).map(|(name, _)| name.to_owned()).collect();
        imports.sort();
        let contract = contract::contract_version(&imports);
        let world = contract::world_of(&sandbox.engine, &ty).map_err(LoadError::World)?;
        let constructor = function(sandbox, &ty, "configure")?;
        if let Some(function) = &constructor {
            signature::check_constructor(function).map_err(LoadError::Constructor)?;
        }
        let may_recycle = function(sandbox, &ty, "may-recycle")?;
        if let Some(function) = &may_recycle {
            check_may_recycle(function)?;
        }
        Ok(Self {
            description: Arc::new(description),
            world,
            imports,
            contract,
            constructor,
            may_recycle: may_recycle.is_some(),
            code,
        })
    }

    /// Its name: the one that its author gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.description.docs.name.as_deref()
    }

    /// Its constructor, such as `HTTPStorage(http_endpoint: string, timeout: f64?)`.
    #[must_use]
    pub fn signature(&self, name: &str) -> String {
        signature::constructor(name, self.constructor.as_ref(), &self.description.docs)
    }

    /// What may be left out of its configuration: parameters and keys below them, such as `limits.low`, by their names in the
    /// contract.
    #[must_use]
    pub fn optional_parameters(&self) -> Vec<String> {
        self.constructor.as_ref().map(signature::optional).unwrap_or_default()
    }

    /// The parameters for which the operator writes the path of a file, by their names in YAML: what stands in the file is
    /// the value.
    #[must_use]
    pub fn file_parameters(&self) -> Vec<String> {
        let Some(constructor) = &self.constructor else { return Vec::new() };
        let docs = &self.description.docs.parameters;
        let is_file = |name: &str| docs.get(name).is_some_and(|parameter| parameter.file);
        constructor.params().filter(|(name, _)| is_file(name)).map(|(name, _)| signature::yaml_name(name)).collect()
    }

    /// The grants that it would need, as the command line writes them.
    #[must_use]
    pub fn grants_needed(&self) -> Vec<&'static str> {
        let http = self.imports.iter().any(|import| import.starts_with("wasi:http/"));
        if http { vec!["--allow-http ORIGIN"] } else { Vec::new() }
    }

    /// Why it would be refused where nothing is granted; nothing runs, and it can be loaded all the same.
    #[must_use]
    pub fn refusals(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut refusals = contract::missing_imports(&self.imports, self.world, false);
        // Where more is missing than a grant, linking would say it again.
        if contract::missing_imports(&self.imports, self.world, true).is_empty()
            && let Err(error) = sandbox.linker_with_http.instantiate_pre(&self.code)
        {
            refusals.push(self.link_error(&error).to_string());
        }
        refusals
    }

    /// Links it with what it imports.
    ///
    /// # Errors
    /// [`LoadError::Imports`] names every import that it does not get, and what it would take.
    pub(crate) fn link(&self, sandbox: &Sandbox, grants: &Grants) -> Result<Linked, LoadError> {
        let missing = contract::missing_imports(&self.imports, self.world, !grants.http.is_empty());
        if !missing.is_empty() {
            return Err(LoadError::Imports(missing));
        }
        let linker = if grants.http.is_empty() { &sandbox.linker } else { &sandbox.linker_with_http };
        let pre = linker.instantiate_pre(&self.code).map_err(|error| self.link_error(&error))?;
        Ok(Linked { pre })
    }

    fn link_error(&self, error: &wasmtime::Error) -> LoadError {
        let mut text = format!("{error:#}");
        if let Some(version) = self.contract.as_ref().filter(|version| **version > CONTRACT_VERSION) {
            let _ = write!(text, "; it needs wca:policy {version}, this agent has {CONTRACT_VERSION}");
        }
        LoadError::Link(printable(&text, LONGEST_REASON))
    }
}

fn function(sandbox: &Sandbox, ty: &types::Component, name: &str) -> Result<Option<ComponentFunc>, LoadError> {
    match ty.get_export(&sandbox.engine, name).map(|export| export.ty) {
        None => Ok(None),
        Some(ComponentItem::ComponentFunc(function)) => Ok(Some(function)),
        Some(_) => Err(LoadError::Constructor(format!("its export `{name}` is no function"))),
    }
}

fn check_may_recycle(function: &ComponentFunc) -> Result<(), LoadError> {
    let results: Vec<types::Type> = function.results().collect();
    if function.params().len() == 0 && matches!(results.as_slice(), [types::Type::Bool]) {
        return Ok(());
    }
    Err(LoadError::Constructor("its export `may-recycle` must be `may-recycle: func() -> bool`".into()))
}
