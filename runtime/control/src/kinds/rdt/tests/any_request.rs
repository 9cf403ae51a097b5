//! Whatever is asked of resctrl by whichever tasks: nothing outside of their own groups and of those that the operator names, nothing
//! out of the rails, and never a panic.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wca_rules::{Rail, Rails, validate, which_count};

use super::*;
use crate::kinds::tests::any_request::{batches, cgroup, config, plans};
use crate::railed::{RailKeeper, check_groups};
use crate::testing::protect;

/// The operator names `be`, or the root group, or none; `theirs` is never named.
const NAMED: [&[&str]; 3] = [&[], &["be"], &["", "be"]];

/// Names of groups as the unprivileged process could send them.
fn name() -> impl Strategy<Value = Option<String>> {
    let some = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        proptest::sample::select(names).prop_map(Some)
    };
    prop_oneof![
        4 => Just(None),
        6 => some(&["", "be", "new", "theirs"]),
        1 => some(&[
            ".", "..", "...", "info", "mon_groups", "mon_data", "/", "/be", "be/", "be/../theirs", "../x", "be\n", "\n", "be\0",
            "b e", "wca-", "wca-a-0123456789abcdef", "theirs/mon_groups/m", "\u{e9}",
        ]),
        1 => proptest::sample::select(vec![64_usize, 65, 255, 256, 300]).prop_map(|length| Some("n".repeat(length))),
        1 => "[a-z./\n-]{0,8}".prop_map(Some),
        1 => any::<Option<String>>(),
    ]
}

/// Ways: mostly some beside each other, as the machine takes them.
fn ways() -> impl Strategy<Value = Ways> {
    let beside = (0..12_u32, 1..13_u32).prop_map(|(first, count)| ((1_u64 << count) - 1) << first);
    (0..3_u32, prop_oneof![5 => beside, 1 => any::<u64>()]).prop_map(|(domain, mask)| Ways { domain, mask })
}

fn change() -> impl Strategy<Value = Change> {
    let kinds = Kind::ALL.to_vec().into_iter().filter(|kind| wca_rules::is_of_resctrl(*kind)).collect::<Vec<_>>();
    let bandwidth = (0..3_u32, prop_oneof![5 => 0..120_u32, 1 => any::<u32>()]);
    prop_oneof![
        4 => name().prop_map(Change::RdtGroup),
        3 => ways().prop_map(Change::RdtL3),
        1 => ways().prop_map(Change::RdtL3Code),
        1 => ways().prop_map(Change::RdtL3Data),
        1 => ways().prop_map(Change::RdtL2),
        3 => bandwidth.prop_map(|(domain, value)| Change::RdtMb(Limit { domain, value })),
        1 => proptest::sample::select(kinds).prop_map(Change::Release),
    ]
}

/// Changes of the tasks 0 to 3, of which there are not always as many.
fn batch() -> impl Strategy<Value = Vec<(u64, Change)>> {
    proptest::collection::vec((0..4_u64, change()), 1..10)
}

/// Machines with what schemata can have: code and data apart, an L2 cache, no L3 cache, bandwidth in MB per second.
fn machine() -> impl Strategy<Value = Platform> {
    (0..5_u8, 1..9_u32).prop_map(|(which, groups)| {
        let mut platform = Platform { groups, ..platform() };
        match which {
            0 => platform.l3.as_mut().unwrap().code_data = true,
            1 => platform.l2.clone_from(&platform.l3),
            2 => platform.l3 = None,
            3 => platform.bandwidth.as_mut().unwrap().unit = BandwidthUnit::MegabytesPerSecond,
            _ => {}
        }
        platform
    })
}

/// Rails around all tasks; the ways that are in force before a batch are within all of them.
fn rails() -> impl Strategy<Value = Option<Rail>> {
    let masks = || proptest::collection::btree_map(0..3_u32, proptest::sample::select(vec![0xf_u64, 0x3f, 0xff]), 0..3);
    let mb = proptest::collection::btree_map(0..3_u32, 5..100_u32, 0..3);
    let groups = proptest::sample::select(vec![None, Some("be"), Some("*"), Some("n*"), Some("")]);
    let rail = (masks(), masks(), mb, groups, any::<bool>()).prop_map(|(l3, l2, mb, group, clamp)| Rail {
        l3,
        l2,
        mb,
        groups: group.map(|group| vec![group.to_owned()]),
        clamp,
        ..Rail::default()
    });
    proptest::option::of(rail)
}

fn any_task(key: u64, cgroup: &str) -> ControlledTask {
    ControlledTask { key: TaskKey(key), cgroup: cgroup.into(), ..tasks().get(TaskKey(0)).unwrap().clone() }
}

fn requests(batch: &[(u64, Change)]) -> Vec<Request> {
    batch.iter().map(|(task, change)| Request { task: TaskKey(*task), change: change.clone() }).collect()
}

/// A machine with the groups `be` and `theirs`, and with what may be in force there before a batch.
struct Machine {
    _dir: tempfile::TempDir,
    values: Values,
    journals: Vec<Journal>,
}

impl Machine {
    fn new() -> Self {
        let dir = tree("L3:0=fff;1=fff\nMB:0=100;1=100\n");
        fs::create_dir_all(dir.path().join("sys/fs/resctrl/theirs")).unwrap();
        let values = Values::find(&Roots::at(dir.path())).unwrap();
        let own = values.own_group("/a", 0).unwrap();
        let before =
            [None, Some((own.as_str(), Some(0xf))), Some(("be", None)), Some(("", None)), Some(("gone", None))];
        let journal = |now: Option<(&str, Option<u64>)>| {
            let mut journal = Journal::in_memory();
            if let Some((name, ways)) = now {
                in_force(&values, &mut journal, name, ways);
                // The journal may know more than the kernel has.
                if name == "gone" || name == own {
                    fs::remove_dir(values.roots().path(format!("/sys/fs/resctrl/{name}"))).unwrap();
                }
            }
            journal
        };
        let journals = before.into_iter().map(journal).collect();
        fs::create_dir(values.roots().path(format!("/sys/fs/resctrl/{own}"))).unwrap();
        Self { _dir: dir, values, journals }
    }
}

/// What may be written for these tasks.
struct Allowed<'a> {
    values: &'a Values,
    platform: &'a Platform,
    journal: &'a Journal,
    named: &'a [&'a str],
    tasks: &'a [ControlledTask],
    rail: Option<&'a Rail>,
}

impl Allowed<'_> {
    /// Whether WCA has made it, or made it up for one of the tasks.
    fn is_ours(&self, group: &str) -> bool {
        let is_of = |task: &ControlledTask| {
            (0..9).any(|turn| self.values.own_group(&task.cgroup, turn).as_deref() == Some(group))
        };
        self.journal.get(&Spot::Group { name: group.to_owned() }).is_some() || self.tasks.iter().any(is_of)
    }

    fn is_there(&self, group: &str) -> bool {
        self.values.roots().path(format!("/sys/fs/resctrl/{group}")).exists()
    }

    /// Whether tasks may be put there: in a group of theirs, in a new one, in those that the operator has named, and in the root one.
    fn group(&self, group: &str) -> bool {
        let is_name = group.len() <= 255
            && !["", ".", "..", "info", "mon_groups", "mon_data"].contains(&group)
            && group.chars().all(|one| one.is_ascii_alphanumeric() || "._-".contains(one));
        let is_new = !self.is_there(group) && group.len() <= 64 && !group.starts_with("wca-");
        let may_be = group.is_empty() || is_name && (self.is_ours(group) || self.named.contains(&group) || is_new);
        let pattern = self.rail.and_then(|rail| rail.groups.as_ref());
        may_be
            && pattern.is_none_or(|patterns| match patterns[0].strip_suffix('*') {
                // One of its own has no name by which a pattern could let it pass.
                Some(start) if self.values.is_own_group(group) => start.is_empty(),
                Some(start) => group.starts_with(start),
                None => group == patterns[0],
            })
    }

    /// Whether this may stand in schemata.
    fn cell(&self, resource: &str, domain: u32, value: &str) -> bool {
        // What is in force already goes along with its task.
        let is_same = |held: &Held| {
            matches!(&held.spot, Spot::Schemata { resource: of, domain: at, .. } if of == resource && *at == domain)
                && held.written == value
        };
        if self.journal.iter().any(|entry| is_same(&entry.held)) {
            return true;
        }
        let cache = match resource {
            "L3" | "L3CODE" | "L3DATA" => {
                self.platform.l3.as_ref().zip(self.rail.map(|rail| &rail.l3).or(Some(&NO_RAIL)))
            }
            "L2" => self.platform.l2.as_ref().zip(self.rail.map(|rail| &rail.l2).or(Some(&NO_RAIL))),
            _ => None,
        };
        if let Some((control, allowed)) = cache {
            let mask = u64::from_str_radix(value, 16).unwrap();
            let most = allowed.get(&domain).copied().unwrap_or(control.mask) & control.mask;
            let runs = format!("{mask:b}").split('0').filter(|run| !run.is_empty()).count();
            return control.domains.contains(&domain)
                && mask | most == most
                && runs == 1
                && mask.count_ones() >= control.min_ways
                && (resource.len() > 2) == (resource.starts_with("L3") && control.code_data);
        }
        let Some(control) = self.platform.bandwidth.as_ref().filter(|_| resource == "MB") else { return false };
        let value: u32 = value.parse().unwrap();
        let most = self.rail.and_then(|rail| rail.mb.get(&domain)).copied().unwrap_or(u32::MAX);
        let is_percent = control.unit == BandwidthUnit::Percent;
        control.domains.contains(&domain)
            && value >= control.min
            && value <= most
            && (!is_percent || value <= 100 && value.is_multiple_of(control.step))
    }

    fn step(&self, step: &Step) -> bool {
        match &step.spot {
            Spot::Group { name } => !name.is_empty() && step.value == "made" && self.group(name) && self.may_make(name),
            Spot::Schemata { group, resource, domain } => {
                let may_write = self.is_ours(group) || self.named.contains(&group.as_str()) || !self.is_there(group);
                self.group(group) && may_write && self.cell(resource, *domain, &step.value)
            }
            // Nobody is found by a name that leads elsewhere.
            Spot::Threads { cgroup } => {
                let is_plain = ["/a", "a", "/b", "b"].contains(&cgroup.as_str());
                let is_of_task = self.tasks.iter().any(|task| task.cgroup == *cgroup);
                is_of_task && self.group(&step.value) && (is_plain || self.values.life(&step.spot).is_none())
            }
            _ => false,
        }
    }

    /// What others have made is never taken for ours.
    fn may_make(&self, name: &str) -> bool {
        !self.is_there(name) || self.journal.get(&Spot::Group { name: name.to_owned() }).is_some()
    }
}

static NO_RAIL: BTreeMap<u32, u64> = BTreeMap::new();

/// Nothing but what is planned is ever written.
#[test]
fn no_plan_leads_out_of_the_task_and_its_groups() {
    let machine_of_test = Machine::new();
    let (values, journals) = (&machine_of_test.values, &machine_of_test.journals);
    let cgroups = proptest::collection::vec(prop_oneof![4 => Just("/b".to_owned()), 1 => cgroup()], 0..3);
    let inputs = (0..journals.len(), proptest::sample::select(NAMED.to_vec()), cgroups, batch(), machine(), rails());
    proptest!(config(plans()), |((journal, named, cgroups, batch, platform, rail) in inputs)| {
        let known: Vec<ControlledTask> = std::iter::once("/a".to_owned()).chain(cgroups).zip(0..)
            .map(|(cgroup, key)| any_task(key, &cgroup)).collect();
        let (settings, tasks, journal) = (settings(named), Tasks::new(known.clone()), &journals[journal]);
        let context = Context { values, platform: &platform, settings: &settings, tasks: &tasks, journal };
        let rails = Rails(rail.clone().into_iter().collect());
        let asked = requests(&batch);
        let mut fates = vec![None; asked.len()];
        let requests = RailKeeper::default().bound(&rails, &asked, &tasks, &platform, &mut fates).requests;
        let counts = which_count(&requests);
        let passes = |at: usize| fates[at].is_none() && counts[at] && validate(&requests[at].change, &platform).is_ok();
        let asked = (0..requests.len()).filter(|at| passes(*at)).filter_map(|at| {
            let task = tasks.get(requests[at].task)?;
            Some(Asked { at, request: &requests[at], task, owner: Owner { cgroup: task.cgroup.clone(), ..owner(&requests[at].change) } })
        }).collect();
        let planned = plan(asked, &context, |_, _| Ok(()));
        let allowed = Allowed { values, platform: &platform, journal, named, tasks: &known, rail: rail.as_ref() };
        for due in planned.due.iter().chain(&planned.later) {
            let task = tasks.get(requests[due.at].task).unwrap();
            if check_groups(&rails, task, due, values).is_ok() {
                for step in &due.planned.steps {
                    prop_assert!(allowed.step(step), "{} = {:?}, in the name of {:?}", step.spot, step.value, due.owner);
                }
            }
        }
        for (_, why) in &planned.refused {
            prop_assert!(why.len() < 2_000, "{}", why);
        }
        // What is given back is ours.
        for spot in planned.released.iter().flat_map(|released| &released.spots) {
            prop_assert!(journal.get(spot).is_some(), "{}", spot);
        }
    });
}

/// All files and folders below a folder, the files with their contents.
fn all(root: &Path) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.insert(name, fs::read_to_string(&path).ok());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(config(batches()))]

    #[test]
    fn nothing_is_written_outside_of_the_tasks_and_their_groups(
        named in proptest::sample::select(NAMED.to_vec()),
        cgroups in proptest::collection::vec(prop_oneof![4 => Just("/a".to_owned()), 2 => Just("/b".to_owned()), 1 => cgroup()], 1..4),
        batches in proptest::collection::vec(batch(), 1..4),
        platform in machine(),
        undone_from in proptest::option::of(1..4_u64),
    ) {
        let dir = tree("    L3:0=fff;1=fff\n    MB:0=100;1=100\n");
        for file in ["schemata", "tasks"] {
            write(dir.path(), &format!("sys/fs/resctrl/theirs/{file}"), "");
        }
        let before = all(dir.path());
        let cgroups: BTreeSet<String> = cgroups.into_iter().collect();
        let tasks = Tasks::new(cgroups.iter().zip(0..).map(|(cgroup, key)| any_task(key, cgroup)).collect());
        let protect = undone_from.map(|_| protect()).into_iter().collect();
        let mut control = control(&dir, Settings { protect, ..settings(named) });
        for batch in &batches {
            prop_assert_eq!(control.apply(0, &requests(batch), &tasks, &platform).len(), batch.len());
        }
        if let Some(from) = undone_from {
            control.undo_since(from);
        }
        for (file, content) in all(dir.path()).into_iter().filter(|(file, content)| before.get(file) != Some(content)) {
            let path = file.strip_prefix("sys/fs/resctrl/");
            let is_schemata = path == Some("schemata") && named.contains(&"") || path == Some("be/schemata") && named.contains(&"be");
            let is_tasks = path == Some("tasks") || path == Some("be/tasks") && named.contains(&"be");
            let is_new = path.is_some_and(|path| !path.starts_with("theirs") && !path.starts_with("info") && !path.starts_with("be/"));
            let is_made = is_new && !before.contains_key(&file);
            prop_assert!(is_schemata || is_tasks || is_made, "{} is {:?} for {:?}", file, content, cgroups);
        }
    }
}
