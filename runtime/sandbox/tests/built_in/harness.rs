//! A component under test, called tick by tick with a [`Scene`].
//!
//! ```ignore
//! let mut policy = BuiltIn::start("components/numa-allocator", "free_space_check: true", machine).unwrap();
//! let mut scene = Scene::new();
//! scene.task("t1").cpuset_cpus(&[0, 1]).gauge("task_mem_usage_bytes", &[], 1e9);
//! scene.gauge("platform_mem_numa_free_bytes", &[("numa_node", "0")], 5e9);
//! let tick = policy.tick(&scene);
//! assert_eq!(tick.asked, ["t1 cpuset_cpus 0,1"]);
//! scene.apply(&tick);
//! ```

mod scene;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Runtime;
use wca_config::{Node, parse};
use wca_model::{Contention, Fate, Kind, Outcome, Platform, Request, Sample, Snapshot, TaskKey};
use wca_sandbox::{
    ArgumentSource, Component, Grants, Limits, LogLevel, LogLine, LogSink, Policy, Sandbox, Surroundings, compile,
};

pub(crate) use scene::{Scene, machine};

/// What a call may take: so much that a busy machine is no failure.
const ALLOWED: Duration = Duration::from_secs(60);

/// A component, configured and started.
pub(crate) struct BuiltIn {
    policy: Policy,
    log: Arc<Kept>,
    platform: Arc<Platform>,
    roster: scene::Keys,
    before: Option<Arc<Snapshot>>,
    renewed: Renewed,
}

/// Other arguments, on their way to the policy.
#[derive(Clone, Default)]
struct Renewed(Arc<Mutex<Option<Arc<Node>>>>);

#[async_trait]
impl ArgumentSource for Renewed {
    async fn renewed(&mut self) -> Option<Arc<Node>> {
        self.0.lock().unwrap().take()
    }
}

/// What came of one tick.
#[derive(Debug)]
pub(crate) struct Tick {
    /// What it asked for, in the order in which it did.
    pub(crate) requests: Vec<Request>,
    /// The same as text, such as `t1 cpu_quota 0.5` and `t1 rdt_l3 0=ff`; a release is `t1 cpu_quota release`.
    pub(crate) asked: Vec<String>,
    /// Its own metrics, in the order in which it reported them.
    pub(crate) metrics: Vec<Sample>,
    /// Its contentions, in the order in which it reported them.
    pub(crate) contentions: Vec<Contention>,
    /// The same by task ids: victim, resource, culprits, such as `t1 cpus t2,t3`.
    pub(crate) contended: Vec<String>,
    /// Lines of its log since the previous tick, such as `WARN no rules`.
    pub(crate) lines: Vec<String>,
    /// Requests, contentions and metrics that were refused.
    pub(crate) refused: u64,
    /// Why the first of them was.
    pub(crate) refusal: Option<String>,
    /// Why the call failed.
    pub(crate) failure: Option<String>,
    ids: HashMap<TaskKey, String>,
}

impl BuiltIn {
    /// Starts the component of a folder of the repository, such as `components/static-allocator`, with the YAML below its
    /// tag; the error is what the operator would read.
    pub(crate) fn start(folder: &str, yaml: &str, platform: Platform) -> Result<Self, String> {
        let (log, platform) = (Arc::new(Kept::default()), Arc::new(platform));
        let around = Surroundings {
            name: "P".into(),
            sandbox: sandbox().clone(),
            limits: Limits { start_deadline: ALLOWED, ..Limits::default() },
            grants: Grants::default(),
            log: Arc::clone(&log) as Arc<dyn LogSink>,
            platform: Arc::clone(&platform),
            seed: 1,
            now: 0.0,
        };
        let settings = parse(yaml, "p.yaml").map_err(|error| error.to_string())?;
        let mut policy = Policy::new(component(folder), around, &settings).map_err(|error| error.to_string())?;
        runtime().block_on(policy.start()).map_err(|failure| failure.to_string())?;
        let renewed = Renewed::default();
        policy.follow(Box::new(renewed.clone()));
        Ok(Self { policy, log, platform, roster: scene::Keys::default(), before: None, renewed })
    }

    /// Hands in this YAML before the next call, as the agent does where a file has changed.
    pub(crate) fn renew(&self, yaml: &str) {
        *self.renewed.0.lock().unwrap() = Some(parse(yaml, "p.yaml").unwrap());
    }

    /// Calls it once, with no outcomes.
    pub(crate) fn tick(&mut self, scene: &Scene) -> Tick {
        self.tick_after(scene, &[])
    }

    /// Calls it once, after this became of all requests of an earlier tick; those of tasks that have ended are told to nobody.
    pub(crate) fn tick_with(&mut self, scene: &Scene, earlier: &Tick, fate: &Fate) -> Tick {
        let lives = |request: &&Request| scene.has(earlier.id(request.task));
        let outcome = |request: &Request| {
            (earlier.id(request.task).to_owned(), request.change.kind(), request.change.domain(), fate.clone())
        };
        let outcomes: Vec<_> = earlier.requests.iter().filter(lives).map(outcome).collect();
        let outcomes: Vec<_> =
            outcomes.iter().map(|(task, kind, domain, fate)| (task.as_str(), *kind, *domain, fate.clone())).collect();
        self.tick_after(scene, &outcomes)
    }

    /// Calls it once, with what became of its earlier requests: task, kind, domain and fate.
    pub(crate) fn tick_after(&mut self, scene: &Scene, outcomes: &[(&str, Kind, Option<u32>, Fate)]) -> Tick {
        let snapshot = Arc::new(scene.snapshot(&mut self.roster, &self.platform, self.before.as_deref()));
        self.before = Some(Arc::clone(&snapshot));
        let outcomes = outcomes.iter().map(|(task, kind, domain, fate)| Outcome {
            task: self.roster.key_of(task),
            kind: *kind,
            domain: *domain,
            fate: fate.clone(),
        });
        let outcomes: Vec<Outcome> = outcomes.collect();
        let called = runtime().block_on(self.policy.decide(Arc::clone(&snapshot), outcomes, ALLOWED));
        let ids = snapshot.roster.tasks.iter().map(|task| (task.key, task.id.clone())).collect();
        let said = called.said;
        // Readers of dashboards have nothing else, and promtool complains of metrics without.
        for sample in said.contentions.iter().flat_map(|contention| &contention.evidence).chain(&said.metrics) {
            assert!(!sample.help.is_empty(), "{} has no help", sample.name);
        }
        let mut tick = Tick {
            requests: said.requests,
            asked: Vec::new(),
            metrics: said.metrics,
            contentions: said.contentions,
            contended: Vec::new(),
            lines: self.log.take(),
            refused: said.refused,
            refusal: said.refusal,
            failure: called.result.err().map(|failure| failure.to_string()),
            ids,
        };
        tick.asked = tick.requests.iter().map(|request| tick.text_of(request)).collect();
        tick.contended = tick.contentions.iter().map(|contention| tick.text_of_contention(contention)).collect();
        tick
    }
}

impl Tick {
    /// The same tick, where nothing was refused and nothing failed; else the test ends here.
    pub(crate) fn clean(self) -> Self {
        assert_eq!((self.refusal.as_deref(), self.failure.as_deref()), (None, None));
        self
    }

    /// The value of one of its metrics; none where it did not report that series.
    ///
    /// The test ends where it reported the series twice.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample, (label, value): (&str, &str)| {
            sample.labels.iter().any(|(known, text)| known == label && text == value)
        };
        let same = |sample: &&Sample| {
            sample.name == name && sample.labels.len() == labels.len() && labels.iter().all(|label| has(sample, *label))
        };
        let found: Vec<&Sample> = self.metrics.iter().filter(same).collect();
        assert!(found.len() < 2, "{name} {labels:?} was reported {} times", found.len());
        found.first().map(|sample| sample.value)
    }

    /// Id of a task of this tick.
    pub(crate) fn id(&self, key: TaskKey) -> &str {
        self.ids.get(&key).map_or("?", String::as_str)
    }

    fn text_of(&self, request: &Request) -> String {
        format!("{} {} {}", self.id(request.task), request.change.kind().as_str(), request.change)
    }

    fn text_of_contention(&self, contention: &Contention) -> String {
        let culprits: Vec<&str> = contention.culprits.iter().map(|key| self.id(*key)).collect();
        let text = format!("{} {} {}", self.id(contention.victim), contention.about.as_str(), culprits.join(","));
        text.trim_end().to_owned()
    }
}

/// Lines of a policy.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Kept {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl LogSink for Kept {
    fn write(&self, line: LogLine) {
        let level = match line.level {
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
        };
        self.0.lock().unwrap().push(format!("{level} {}", line.text));
    }
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new().unwrap())
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// The constructor of the component of a folder, as an operator reads it.
pub(crate) fn signature(folder: &str) -> String {
    let component = component(folder);
    component.signature(component.name().unwrap_or_default())
}

/// The component of a folder, compiled once for all tests.
fn component(folder: &str) -> Component {
    static COMPILED: Mutex<Option<HashMap<String, Component>>> = Mutex::new(None);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let compiled = compiled.get_or_insert_default();
    if let Some(component) = compiled.get(folder) {
        return component.clone();
    }
    let name = Path::new(folder).file_name().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder).join(name).with_extension("wasm");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let component = Component::load(sandbox(), &compile::compile(&bytes, false).unwrap()).unwrap();
    compiled.insert(folder.to_owned(), component.clone());
    component
}
