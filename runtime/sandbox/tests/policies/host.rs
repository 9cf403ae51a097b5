//! What surrounds a policy here: one sandbox for all tests, a node of a few tasks, and a log that is kept.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Runtime;
use wca_config::parse;
use wca_model::{Catalog, Roster, Snapshot, Task, TaskKey};
use wca_sandbox::{
    Component, Grants, Limits, LoadError, LogLine, LogSink, MakeError, Policy, Sandbox, Surroundings, compile,
};

pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new().unwrap())
}

/// Where guests run.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// A component of the tests, by the name of its folder.
pub(crate) fn guest(name: &str) -> Component {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests").join(name);
    load(&std::fs::read(folder.join(name).with_extension("wasm")).unwrap()).unwrap()
}

pub(crate) fn load(wasm: &[u8]) -> Result<Component, LoadError> {
    Component::load(sandbox(), &compile::compile(wasm, false).unwrap())
}

/// A component written as text.
pub(crate) fn component(text: &str) -> Component {
    load(&wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

/// Lines of policies.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<LogLine>>);

impl LogSink for Kept {
    fn write(&self, line: LogLine) {
        self.0.lock().unwrap().push(line);
    }
}

impl Kept {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|line| line.text.clone()).collect()
    }
}

/// What a policy gets, apart from its component.
pub(crate) struct Host {
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) log: Arc<Kept>,
}

impl Default for Host {
    fn default() -> Self {
        // A machine that does something else meanwhile is no failure of a guest.
        let limits = Limits { start_deadline: std::time::Duration::from_secs(60), ..Limits::default() };
        Self { limits, grants: Grants::default(), log: Arc::default() }
    }
}

impl Host {
    /// With these limits besides.
    pub(crate) fn with(limits: &[(&str, &str)]) -> Self {
        let mut host = Self::default();
        for (name, value) in limits {
            host.limits.set(name, value).unwrap();
        }
        host
    }

    /// A policy of the name `P`, with this configuration.
    pub(crate) fn policy(&self, component: &Component, configuration: &str) -> Result<Policy, MakeError> {
        let around = Surroundings {
            name: "P".into(),
            sandbox: sandbox().clone(),
            limits: self.limits.clone(),
            grants: self.grants.clone(),
            log: Arc::clone(&self.log) as Arc<dyn LogSink>,
            platform: Arc::default(),
            seed: 1,
            now: 0.0,
        };
        Policy::new(component.clone(), around, &parse(configuration, "p.yaml").unwrap())
    }
}

/// A node on which these tasks run and nothing is measured.
pub(crate) fn snapshot(tick: u64, keys: &[u64]) -> Arc<Snapshot> {
    let task = |key: &u64| {
        let name = format!("task{key}");
        let (labels, resources, containers) = (vec![], vec![], vec![]);
        let cgroup = format!("/{name}");
        Arc::new(Task { key: TaskKey(*key), id: name.clone(), name, labels, resources, cgroup, containers })
    };
    let roster = Roster { version: 1, tasks: keys.iter().map(task).collect() };
    let catalog = Arc::new(Catalog { version: 1, ..Catalog::default() });
    let values: Arc<Vec<f64>> = Arc::default();
    Arc::new(Snapshot::new(tick, tick as f64, Arc::new(roster), catalog, Arc::default(), values, None).unwrap())
}
