//! What the warden answers its agent.

use std::os::fd::OwnedFd;
use std::time::Duration;

use wca_kernel::TaskCgroups;
use wca_messages::{ColumnsHeader, MAX_REQUESTS, PROTOCOL, Refused, Reply, Request, RosterEntry, write_columns};
use wca_model::{Catalog, Platform, Request as Change, TaskKey};

use crate::changes::Changes;
use crate::compile::{Compilations, Wanted};
use crate::files::Opened;
use crate::keys::Keys;
use crate::kubelet::Kubelet;
use crate::measure::Measure;
use crate::named::Named;
use crate::reload::{Pending, Reload, Settled, Terms};
use crate::roster::check_roster;

/// What the warden knows, over all its agents.
pub(crate) struct Service {
    pub(crate) terms: Terms,
    pub(crate) named: Named,
    pub(crate) measure: Measure,
    pub(crate) compilations: Compilations,
    pub(crate) changes: Changes,
    pub(crate) reload: Option<Reload>,
    /// A reading of the configuration that the agent has not answered yet.
    pub(crate) pending: Option<Pending>,
    /// How the last one has ended, until that was told.
    pub(crate) settled: Option<Settled>,
    pub(crate) generation: u64,
    /// How often what the operator has written could not be read.
    pub(crate) misread: u64,
    kubelet: Kubelet,
    keys: Keys,
    roster: u64,
    samples: u64,
}

/// How far one agent is. A new agent begins anew.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// It has said hello.
    pub(crate) greeted: bool,
    /// Everything that it was to load is loaded.
    pub(crate) begun: bool,
    /// It has given a roster.
    pub(crate) has_roster: bool,
    /// It has asked for a sample.
    pub(crate) has_sampled: bool,
    /// Version of the catalogue that it has heard of.
    catalog: Option<u64>,
    /// The state of the kubelet that it has heard of.
    kubelet: Option<u64>,
    /// Version of the populated cgroups that it has heard of.
    tree: Option<u64>,
}

/// A reply, with the descriptor beside it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) descriptor: Option<OwnedFd>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, descriptor: None }
    }
}

impl Service {
    pub(crate) fn new(
        terms: Terms,
        named: Named,
        measure: Measure,
        compilations: Compilations,
        changes: Changes,
        reload: Option<Reload>,
    ) -> Self {
        Self {
            terms,
            named,
            measure,
            compilations,
            changes,
            reload,
            pending: None,
            settled: None,
            generation: 0,
            misread: 0,
            kubelet: Kubelet::default(),
            keys: Keys::default(),
            roster: 0,
            samples: 0,
        }
    }

    /// Answers one request; none where the answer comes later.
    pub(crate) fn serve(
        &mut self,
        session: &mut Session,
        number: u64,
        request: Request,
    ) -> Result<Option<Answer>, Refused> {
        if !session.greeted && !matches!(request, Request::Hello { .. }) {
            return Err(Refused::OutOfOrder("the first message is Hello".into()));
        }
        let answer = match request {
            Request::Hello { protocol } => self.hello(session, protocol)?.into(),
            Request::Begin => {
                session.begun = true;
                Reply::Begun.into()
            }
            Request::Tree => self.tree(session).into(),
            Request::Roster { tasks, exclusive_cpus } => self.roster(session, &tasks, &exclusive_cpus)?.into(),
            Request::Sample => self.sample(session)?,
            Request::Apply { policy, requests } => self.apply(policy, &requests)?.into(),
            Request::InForce => {
                Reply::InForce(self.changes.in_force(&self.platform(self.measure.platform().clone()))).into()
            }
            Request::Release { policy } => {
                self.check_policy(policy)?;
                self.changes.release(policy);
                Reply::Outcomes(Vec::new()).into()
            }
            Request::Quarantined { policy } => {
                self.check_policy(policy)?;
                self.changes.policy_failed(policy);
                Reply::Outcomes(Vec::new()).into()
            }
            Request::BegunAnew { policy } => {
                self.check_policy(policy)?;
                self.changes.policy_begins_anew(policy);
                Reply::Outcomes(Vec::new()).into()
            }
            Request::MemoryTopology => self.memory_topology()?.into(),
            Request::KubeletFiles => self.kubelet_files(session)?.into(),
            Request::Explain { task } => self.explain(task)?.into(),
            Request::Gaps { task } => self.gaps(task)?.into(),
            Request::Open { file } => self.open(file)?,
            Request::ReadInput { input, known } => Reply::Input(self.named.inputs.get_mut(input)?.read(known)?).into(),
            Request::OpenOutput { output } => {
                let descriptor = self.named.outputs.get(output)?.hand_over()?;
                Answer { reply: Reply::OutputOpened, descriptor: Some(descriptor) }
            }
            Request::Publish { output } => {
                let output = self.named.outputs.get(output)?;
                output.publish()?;
                // One that cannot be made is told when it is asked for.
                Answer { reply: Reply::Published, descriptor: output.hand_over().ok() }
            }
            Request::Listen { listener } => {
                let descriptor = self.named.listeners.get(listener)?.hand_over()?;
                Answer { reply: Reply::Listening, descriptor: Some(descriptor) }
            }
            Request::Renew => self.renewed()?.into(),
            Request::Settle { generation, refused } => self.settled_by_agent(generation, refused)?.into(),
            Request::Compile { file, engine, cache } => {
                let Opened { name, size, file } = self.named.files.open(file)?;
                self.compilations.add(Wanted { number, name, size, file, engine, cache })?;
                return Ok(None);
            }
        };
        Ok(Some(answer))
    }

    fn hello(&mut self, session: &mut Session, protocol: u32) -> Result<Reply, Refused> {
        if protocol != PROTOCOL {
            return Err(Refused::Invalid(format!(
                "the agent speaks version {protocol} of the message set, the warden {PROTOCOL}: the program was replaced \
                 while it ran; start WCA again"
            )));
        }
        if std::mem::replace(&mut session.greeted, true) {
            return Err(Refused::OutOfOrder("Hello comes once".into()));
        }
        Ok(Reply::Welcome {
            settings: self.terms.settings.clone(),
            platform: self.platform(self.measure.platform().clone()),
            catalog: self.changed_catalog(session).unwrap_or_default(),
            ticks: self.samples,
        })
    }

    /// The machine, as the operator lets policies see it.
    fn platform(&self, found: Platform) -> Platform {
        Platform { moves_pages_despite_swap: self.terms.control.migrate_with_swap, ..found }
    }

    fn tree(&mut self, session: &mut Session) -> Reply {
        let (version, notices) = self.measure.look_at_tree();
        let is_new = session.tree.replace(version) != Some(version);
        Reply::Tree { cgroups: is_new.then(|| self.measure.populated()), notices }
    }

    fn roster(
        &mut self,
        session: &mut Session,
        tasks: &[RosterEntry],
        exclusive_cpus: &[u32],
    ) -> Result<Reply, Refused> {
        check_roster(tasks, exclusive_cpus)?;
        let version = self.roster + 1;
        let (mut rows, mut entries) = (Vec::with_capacity(tasks.len()), Vec::with_capacity(tasks.len()));
        let keys: Vec<Option<TaskKey>> = tasks
            .iter()
            .map(|task| {
                let found = self.measure.identity(&task.cgroup)?;
                if task.identity != 0 && task.identity != found {
                    return None;
                }
                let key = self.keys.of(&task.cgroup, found, version);
                rows.push(TaskCgroups { key, cgroup: task.cgroup.clone(), containers: task.containers.clone() });
                entries.push(task);
                Some(key)
            })
            .collect();
        self.roster = version;
        self.keys.forget(version);
        self.changes.set_tasks(&rows, &entries, exclusive_cpus);
        self.measure.set_tasks(&rows);
        session.has_roster = true;
        let platform = self.measure.changed_platform().map(|platform| self.platform(platform));
        Ok(Reply::Roster { version, keys, catalog: self.changed_catalog(session), platform, notices: Vec::new() })
    }

    /// The catalogue, where it is not the one that this agent has heard of last.
    fn changed_catalog(&self, session: &mut Session) -> Option<Catalog> {
        let catalog = self.measure.catalog();
        let known = session.catalog.replace(catalog.version);
        (known != Some(catalog.version)).then(|| catalog.clone())
    }

    fn sample(&mut self, session: &mut Session) -> Result<Answer, Refused> {
        if !session.has_roster {
            return Err(Refused::OutOfOrder("Sample comes after Roster".into()));
        }
        session.has_sampled = true;
        self.changes.tick();
        let (timestamp, notices, cost) = self.measure.sample();
        let interval = self.terms.ticks.map_or(Duration::ZERO, |ticks| ticks.interval);
        let reverted = self.changes.watch(&self.measure.last(timestamp), interval);
        let (rows, catalog) = (self.measure.rows(), self.measure.catalog());
        let too_many = |_| Refused::Failed("more values than a sample can hold".into());
        let header = ColumnsHeader {
            tick: self.samples + 1,
            timestamp,
            roster: self.roster,
            catalog: catalog.version,
            rows: u32::try_from(rows).map_err(too_many)?,
            columns: u32::try_from(catalog.columns.len()).map_err(too_many)?,
            platform: u32::try_from(catalog.platform.len()).map_err(too_many)?,
        };
        let written = self.measure.hand_over(|values| write_columns(header, values));
        let memory = written.map_err(|error| Refused::Failed(error.to_string()))?;
        self.samples += 1;
        let reply = Reply::Sample { timestamp, notices, cost, changed: self.changes.changed(), reverted };
        Ok(Answer { reply, descriptor: Some(memory) })
    }

    fn apply(&mut self, policy: u32, requests: &[Change]) -> Result<Reply, Refused> {
        self.check_policy(policy)?;
        let count = requests.len();
        if count > MAX_REQUESTS {
            return Err(Refused::Oversized(format!("{count} requests at once, at most {MAX_REQUESTS} are taken")));
        }
        Ok(Reply::Outcomes(self.changes.apply(policy, requests, &self.platform(self.measure.platform().clone()))))
    }

    /// Where the operator does not want to know, an agent cannot make this process run a tool.
    fn memory_topology(&mut self) -> Result<Reply, Refused> {
        let pending = self.pending.as_ref().map(|pending| &pending.terms);
        if std::iter::once(&self.terms).chain(pending).any(|terms| terms.wanted.memory_topology) {
            return Ok(Reply::MemoryTopology(self.measure.memory_topology()));
        }
        Err(Refused::Invalid("the operator does not want the memory modules (gather_hw_mm_topology)".into()))
    }

    /// Where nobody allocates, an agent cannot make this process read such files.
    fn kubelet_files(&mut self, session: &mut Session) -> Result<Reply, Refused> {
        let pending = self.pending.as_ref().and_then(|pending| pending.terms.kubelet.as_deref());
        let Some(folder) = self.terms.kubelet.as_deref().or(pending) else {
            return Err(Refused::Invalid(
                "nobody allocates here, so that the kubelet's state is nobody's business".into(),
            ));
        };
        let (version, files) = self.kubelet.look(folder);
        let is_new = session.kubelet.replace(version) != Some(version);
        Ok(Reply::KubeletFiles(is_new.then(|| files.clone())))
    }

    fn explain(&self, task: TaskKey) -> Result<Reply, Refused> {
        let unknown = || Refused::Invalid(format!("task {task}: the last roster has none with this key"));
        Ok(Reply::Explained(self.changes.explain(task).ok_or_else(unknown)?))
    }

    fn gaps(&self, task: TaskKey) -> Result<Reply, Refused> {
        let unknown = || Refused::Invalid(format!("task {task}: the last roster has none with this key"));
        Ok(Reply::Gaps(self.measure.gaps(task).ok_or_else(unknown)?))
    }

    fn open(&self, file: u32) -> Result<Answer, Refused> {
        let opened = self.named.files.open(file)?;
        let reply = Reply::Opened { name: opened.name.to_owned(), size: opened.size };
        Ok(Answer { reply, descriptor: Some(opened.file) })
    }

    fn renewed(&mut self) -> Result<Reply, Refused> {
        let pending = self.pending.as_mut();
        let pending = pending.ok_or_else(|| Refused::OutOfOrder("nothing was read that would be new".into()))?;
        pending.is_fetched = true;
        Ok(Reply::Renewed { generation: pending.generation, settings: pending.terms.settings.clone() })
    }

    fn settled_by_agent(&mut self, generation: u64, refused: Option<String>) -> Result<Reply, Refused> {
        if self.pending.as_ref().is_none_or(|pending| pending.generation != generation) {
            return Err(Refused::OutOfOrder(format!("reading {generation} of the configuration is over")));
        }
        self.settled = self.settle(refused);
        Ok(Reply::Settled)
    }

    fn check_policy(&self, policy: u32) -> Result<(), Refused> {
        let count = self.terms.policies.len();
        if (policy as usize) < count {
            return Ok(());
        }
        Err(Refused::Invalid(format!("policy {policy}: the operator named {count}, counted from 0")))
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("roster", &self.roster).field("samples", &self.samples).finish_non_exhaustive()
    }
}
