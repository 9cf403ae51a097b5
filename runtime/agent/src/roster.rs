//! The tasks of the node: found, made known to the warden, kept while they do not change.

use std::collections::BTreeSet;
use std::sync::Arc;

use wca_messages::{Cgroup, Reply, Request, RosterEntry};
use wca_model::anomaly::set;
use wca_model::batch::LabelSets;
use wca_model::{Catalog, Label, Platform, Roster, Sample, Snapshot, TaskKey};
use wca_node::{CgroupNode, Discovered, Discovery, Globs};

use crate::client::{Client, ClientError};
use crate::kubelet::Kubelet;
use crate::labels::Generators;
use crate::missing::{self, Missing};
use crate::{own, requested};

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
    /// Labels of every metric besides `host`; they win over those of the machine.
    pub(crate) labels: Vec<Label>,
    /// Whether every metric has labels that say what machine it is.
    pub(crate) has_machine_labels: bool,
    /// What makes more labels of tasks.
    pub(crate) generators: Generators,
    /// Whether three metrics have the names by which they were first documented.
    pub(crate) has_first_names: bool,
    /// Whether somebody allocates, who must know what the kubelet manages.
    pub(crate) heeds_kubelet: bool,
}

impl View {
    /// Every cgroup that holds processes is a task.
    pub(crate) fn everything() -> Self {
        let discovery = CgroupNode { cgroups: Globs::all(), exclude: Globs::none(), labels: Vec::new() };
        Self::of(Box::new(discovery))
    }

    /// The tasks that are found in this way, without anything that could be asked for besides.
    pub(crate) fn of(discovery: Box<dyn Discovery>) -> Self {
        Self {
            discovery,
            labels: Vec::new(),
            has_machine_labels: false,
            generators: Generators::default(),
            has_first_names: false,
            heeds_kubelet: false,
        }
    }

    fn tasks(&mut self, cgroups: &[Cgroup]) -> Vec<Discovered> {
        let mut tasks = self.discovery.tasks(cgroups);
        self.generators.label(&mut tasks);
        tasks
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
    kubelet: Kubelet,
    missing: Missing,
    /// Labels of everything of which it was said that series have their own.
    overruled: BTreeSet<String>,
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
            kubelet: Kubelet::default(),
            missing: Missing::default(),
            overruled: BTreeSet::new(),
            changes: 0,
        };
        known.renew_labels();
        known
    }

    /// Looks at the node in another way from now on.
    pub(crate) fn look(&mut self, view: View) {
        self.view = view;
        self.discovered = self.view.tasks(&self.cgroups);
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
        let machine = self.view.has_machine_labels.then(|| own::machine_labels(&self.platform));
        let given = std::iter::once(host).chain(machine.into_iter().flatten());
        self.common = given.filter(|(name, _)| !self.has_label(name)).collect();
        self.common.extend(self.view.labels.iter().cloned());
        for notice in overruled(&self.view.labels, &self.catalog, &mut self.overruled) {
            tracing::warn!("{notice}");
        }
        self.changes += 1;
        let mut catalog = (*self.catalog).clone();
        for metric in &mut catalog.metrics {
            if let Some(name) = self.first_name(&metric.name) {
                metric.name = name.into();
            }
        }
        let requested = requested::of_tasks(&self.roster);
        self.labels = Arc::new(LabelSets::new(self.changes, &self.roster, &catalog, &self.common, &requested));
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
            self.discovered = self.view.tasks(&cgroups);
            self.cgroups = cgroups;
            self.is_told = false;
        }
        let heeds_kubelet = self.view.heeds_kubelet;
        if heeds_kubelet && (!self.is_told || self.kubelet.is_due()) && self.kubelet.ask(client).await? {
            self.is_told = false;
        }
        if self.is_told {
            return Ok(());
        }
        let mut tasks: Vec<RosterEntry> = self.discovered.iter().map(told).collect();
        let mut exclusive_cpus = Vec::new();
        if heeds_kubelet {
            exclusive_cpus = self.kubelet.mark(&mut tasks, &self.cgroups);
        }
        let Reply::Roster { version, keys, catalog, platform, notices } =
            client.ask(&Request::Roster { tasks, exclusive_cpus }).await?.reply
        else {
            return Err(ClientError::Unexpected);
        };
        say(&notices);
        missing::say(&self.missing.changes(&self.discovered, &keys));
        let is_new = catalog.is_some() || platform.is_some();
        if let Some(catalog) = catalog {
            self.catalog = Arc::new(catalog);
        }
        if let Some(platform) = platform {
            self.platform = Arc::new(platform);
        }
        // A cgroup that comes without a process changes nothing in the tree: only asking again finds it.
        self.is_told = keys.iter().all(Option::is_some);
        if self.take_roster(version, &keys) || is_new {
            self.renew_labels();
        }
        Ok(())
    }

    /// Takes the keys that the warden gave; whether the tasks are others than before.
    fn take_roster(&mut self, version: u64, keys: &[Option<TaskKey>]) -> bool {
        let keyed = self.discovered.iter().zip(keys);
        let tasks: Vec<_> = keyed.filter_map(|(task, key)| Some(Arc::new(task.with_key((*key)?)))).collect();
        if self.roster.tasks == tasks {
            return false;
        }
        self.roster = Arc::new(Roster { version, tasks });
        true
    }

    /// Has the warden look again for the cgroups of tasks of which nothing could be read: one that was made anew without a
    /// process is found in no other way.
    pub(crate) fn look_again_for_lost_tasks(&mut self, snapshot: &Snapshot) {
        if snapshot.values("task_up").any(|column| column.iter().any(|value| value.is_nan())) {
            self.forget_tasks();
        }
    }
}

/// What the warden is told of a task: its labels, with its id and its name among them, by which operators name tasks too.
fn told(task: &Discovered) -> RosterEntry {
    let mut entry = task.entry.clone();
    set(&mut entry.labels, "task_id", &task.id);
    set(&mut entry.labels, "task_name", &task.name);
    entry
}

/// What could not be read; the warden says each once.
pub(crate) fn say(notices: &[String]) {
    for notice in notices {
        tracing::warn!("{notice}");
    }
}

/// What is to be said, once for each label, of labels of everything that some series have of their own, which win.
fn overruled(labels: &[Label], catalog: &Catalog, said: &mut BTreeSet<String>) -> Vec<String> {
    let mut notices = Vec::new();
    for (name, value) in labels {
        let of_metric = catalog.metrics.iter().find(|metric| metric.levels.contains(name));
        let whose = of_metric.map(|metric| metric.name.as_str());
        let whose =
            whose.or_else(|| ["task_id", "task_name"].contains(&name.as_str()).then_some("every metric of a task"));
        if let Some(whose) = whose
            && said.insert(name.clone())
        {
            notices.push(format!(
                "extra_labels: {name}: {value:?} is not on series that have such a label of their own, as those of {whose}: \
                 without it they would be the same; remedy: another name"
            ));
        }
    }
    notices
}

#[cfg(test)]
mod tests {
    use wca_messages::{KubeletFile, KubeletFiles};
    use wca_node::StaticNode;

    use super::*;
    use crate::testing::{catalog, sample, snapshot, warden};

    fn view(tasks: &[&str], labels: &[(&str, &str)], has_first_names: bool) -> View {
        let tasks = tasks.iter().map(|task| (*task).to_owned()).collect();
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let view = View::of(Box::new(StaticNode { tasks, ..StaticNode::default() }));
        View { labels, has_first_names, ..view }
    }

    fn known(view: View) -> Known {
        let platform = Platform { host: "vm".into(), ..Platform::default() };
        Known::new(Arc::new(platform), Arc::new(catalog()), view)
    }

    #[test]
    fn a_label_that_series_have_of_their_own_is_told_once() {
        let mut catalog = catalog();
        catalog.metrics[0].levels = vec!["zone".into()];
        let labels = ["zone", "rack", "task_id"].map(|name| (name.to_owned(), "eu".to_owned()));
        let mut said = BTreeSet::new();
        let told = overruled(&labels, &catalog, &mut said);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("extra_labels: zone: \"eu\" is not on series that have such a label"), "{told:?}");
        assert!(told[1].contains("every metric of a task"), "{told:?}");
        assert_eq!(overruled(&labels, &catalog, &mut said), [""; 0]);
    }

    #[test]
    fn the_host_is_a_label_of_everything_unless_the_operator_has_another() {
        for (labels, expected) in [
            (&[][..], &[("host", "vm")][..]),
            (&[("rack", "7")], &[("host", "vm"), ("rack", "7")]),
            (&[("rack", "7"), ("host", "other")], &[("rack", "7"), ("host", "other")]),
        ] {
            let common = known(view(&[], labels, false)).common;
            let expected: Vec<Label> = expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(common, expected);
        }
    }

    #[test]
    fn the_machine_is_in_labels_of_everything_where_that_is_asked_for() {
        let mut known = known(View { has_machine_labels: true, ..view(&[], &[("cpus", "mine")], false) });
        let platform = Platform { cpu_model: "A 1".into(), cpu_model_number: Some(85), ..Platform::default() };
        known.platform = Arc::new(platform);
        known.renew_labels();
        let names: Vec<&str> = known.common.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "sockets", "cores", "wca_version", "cpu_model", "cpu_model_number", "cpus"]);
        assert_eq!(known.common.last().unwrap().1, "mine");
        // What the machine does not say has no label.
        known.platform = Arc::default();
        known.renew_labels();
        assert!(known.common.iter().all(|(name, _)| !name.starts_with("cpu_model")), "{:?}", known.common);
    }

    #[test]
    fn three_metrics_have_the_names_that_the_operator_wants() {
        let names = ["wca_mem_usage_bytes", "platform_mem_usage_bytes", "platform_cpu_usage", "wca_up"];
        for (has_first_names, expected) in
            [(false, names), (true, ["wca_memory_usage_bytes", "memory_usage", "cpu_usage_per_cpu", "wca_up"])]
        {
            let known = known(view(&[], &[], has_first_names));
            let named = known.named(names.iter().map(|name| sample(name, &[], 1.0)).collect());
            assert_eq!(named.iter().map(|sample| sample.name.as_str()).collect::<Vec<_>>(), expected);
        }
    }

    #[tokio::test]
    async fn the_warden_is_asked_again_while_a_task_has_no_cgroup_or_could_not_be_read() {
        let (mut rosters, mut trees) = (0, 0);
        let (client, asked) = warden(move |request| match request {
            Request::Tree => {
                trees += 1;
                Reply::Tree { cgroups: (trees == 1).then(Vec::new), notices: vec![] }
            }
            Request::Roster { tasks, .. } => {
                rosters += 1;
                assert_eq!(tasks.len(), 2);
                let second = (rosters >= 3).then_some(TaskKey(2));
                let (version, keys) = (rosters, vec![Some(TaskKey(1)), second]);
                Reply::Roster { version, keys, catalog: None, platform: None, notices: vec![] }
            }
            other => panic!("{other:?}"),
        });
        let mut known = known(view(&["task1", "task2"], &[], false));
        let told = || asked.lock().unwrap().iter().filter(|asked| matches!(asked, Request::Roster { .. })).count();
        let mut steps = Vec::new();
        for _ in 0..4 {
            let (before, labels) = (Arc::clone(&known.roster), Arc::clone(&known.labels));
            known.discover(&client).await.unwrap();
            let is_same = Arc::ptr_eq(&before, &known.roster) && Arc::ptr_eq(&labels, &known.labels);
            steps.push((known.roster.tasks.len(), told(), is_same));
        }
        // Missing, missing still, there, and not asked for any more.
        assert_eq!(steps, [(1, 1, false), (1, 2, true), (2, 3, false), (2, 3, true)]);
        for (up, expected) in [([1.0, 1.0], 3), ([1.0, f64::NAN], 4), ([1.0, 1.0], 4)] {
            known.look_again_for_lost_tasks(&snapshot(&up));
            known.discover(&client).await.unwrap();
            assert_eq!(told(), expected, "{up:?}");
        }
        known.look(view(&["task1", "task2"], &[("a", "b")], false));
        known.discover(&client).await.unwrap();
        assert_eq!((told(), known.common.len()), (5, 2));
    }

    #[tokio::test]
    async fn the_warden_hears_what_the_kubelet_manages_where_somebody_allocates() {
        let state = |text: &str| {
            let cpu = KubeletFile { path: "/k/cpu_manager_state".into(), content: Ok(text.into()) };
            KubeletFiles { cpu: Some(cpu), memory: None }
        };
        let mut answers =
            [r#"{"policyName":"static","entries":{"a":{"b":"2-3"}}}"#, r#"{"policyName":"none"}"#].into_iter();
        let (client, asked) = warden(move |request| match request {
            Request::Tree => Reply::Tree { cgroups: Some(vec![]), notices: vec![] },
            Request::KubeletFiles => Reply::KubeletFiles(answers.next().map(state)),
            Request::Roster { .. } => {
                let keys = vec![Some(TaskKey(1)), Some(TaskKey(2))];
                Reply::Roster { version: 1, keys, catalog: None, platform: None, notices: vec![] }
            }
            other => panic!("{other:?}"),
        });
        let tasks = ["kubepods/pod1", "other"];
        let mut known = known(View { heeds_kubelet: true, ..view(&tasks, &[], false) });
        for _ in 0..3 {
            known.discover(&client).await.unwrap();
        }
        known.look(view(&tasks, &[], false));
        known.discover(&client).await.unwrap();
        let asked = asked.lock().unwrap();
        let rosters: Vec<(Vec<bool>, &[u32])> = (asked.iter())
            .filter_map(|asked| match asked {
                Request::Roster { tasks, exclusive_cpus } => Some((
                    tasks.iter().map(|task| task.cpuset_managed_by.is_some()).collect(),
                    exclusive_cpus.as_slice(),
                )),
                _ => None,
            })
            .collect();
        let free = (vec![false, false], &[][..]);
        assert_eq!(rosters, [(vec![true, false], &[2, 3][..]), free.clone(), free.clone(), free]);
        assert_eq!(
            asked.iter().filter(|asked| **asked == Request::KubeletFiles).count(),
            3,
            "and not for the last roster"
        );
    }
}
