//! Twelve tasks on four NUMA nodes, which NUMAAllocator balances: as its algorithm says, worked out here from what was measured,
//! and with their pages. Virtual time, so that they are the same iterations whatever this machine is busy with.

use std::collections::BTreeMap;
use std::fs;

use rstest::rstest;

use crate::{run_inside_with, testbed};

const NODES: usize = 4;
const TASKS: usize = 12;
/// Iterations of the first start, and of the second.
const FIRST: usize = 20;
const SECOND: usize = 6;
/// A task within a cgroup that has the nodes 1 and 2 alone, which comes with the third start.
const CONFINED: &str = "wca/slice/13";

/// What was known in one iteration.
#[derive(Clone, Debug, Default)]
struct Iteration {
    /// Bytes that each task may have.
    limits: BTreeMap<String, f64>,
    /// Pages of each task on each node.
    pages: BTreeMap<String, [f64; NODES]>,
    /// Free bytes of each node.
    free: [f64; NODES],
    /// The node of each task; -1 where it has none.
    nodes: BTreeMap<String, i64>,
    /// Samples of a metric that must be there once.
    counts: usize,
}

impl Iteration {
    /// The largest task without a node.
    fn next(&self) -> Option<&String> {
        let free = self.limits.iter().filter(|(task, _)| self.nodes[*task] < 0);
        free.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(task, _)| task)
    }

    /// Bytes that the tasks of a node may have.
    fn load(&self, node: usize) -> f64 {
        let of_node = |(task, limit): (&String, &f64)| (self.nodes[task] == node as i64).then_some(*limit);
        self.limits.iter().filter_map(of_node).sum()
    }

    fn fill_biggest_first(&self) -> Option<(String, usize)> {
        let task = self.next()?;
        let limit = self.limits[task];
        let node = first_greatest(&[0, 1, 2, 3], |node| (limit / (self.load(node) + limit) * 1e4).round());
        Some((task.clone(), node[0]))
    }

    fn minimize_migrations(&self) -> Option<(String, usize)> {
        let task = self.next()?;
        let (limit, pages) = (self.limits[task], self.pages[task]);
        let total: f64 = pages.iter().sum();
        let all = [0, 1, 2, 3];
        let used = first_greatest(&all, |node| (1.0 + 1000.0 * pages[node] / total).ln().round());
        let idle = first_greatest(&all, |node| -((self.load(node) + limit).log10() * 10.0).round());
        let roomy: Vec<usize> = all.into_iter().filter(|node| self.free[*node] > limit).collect();
        let free = first_greatest(&roomy, |node| ((self.free[node] - limit).log10() * 10.0).round());
        let both = [(&used, &idle), (&used, &free), (&idle, &free)];
        let node = both.iter().find_map(|(one, other)| one.iter().find(|node| other.contains(node)))?;
        Some((task.clone(), *node))
    }
}

fn first_greatest(nodes: &[usize], score: impl Fn(usize) -> f64) -> Vec<usize> {
    let greatest = nodes.iter().map(|node| score(*node)).fold(f64::NEG_INFINITY, f64::max);
    nodes.iter().copied().filter(|node| score(*node) == greatest).collect()
}

/// The value of a label of a line as LogStorage writes it.
fn label<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_once(&format!("{name}=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .unwrap_or_else(|| panic!("{line}"))
        .0
}

/// What stands between two marks.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name} BEGIN\n")).unwrap_or_else(|| panic!("{text}"));
    rest.split_once(&format!("{name} END")).unwrap().0
}

/// The iterations, in their order.
fn iterations(text: &str) -> Vec<Iteration> {
    let mut all: BTreeMap<u64, Iteration> = BTreeMap::new();
    for line in part(text, "measured").lines().chain(part(text, "said").lines()).filter(|line| !line.is_empty()) {
        let (series, time) = line.rsplit_once(' ').unwrap();
        let (series, value) = series.rsplit_once(' ').unwrap();
        let iteration = all.entry(time.parse().unwrap()).or_default();
        let (task, node) =
            (|| label(series, "task_id").to_owned(), || label(series, "numa_node").parse::<usize>().unwrap());
        let number: f64 = value.parse().unwrap();
        match series.split('{').next().unwrap() {
            "task_mem_limit_bytes" => drop(iteration.limits.insert(task(), number)),
            "task_mem_numa_pages" => iteration.pages.entry(task()).or_default()[node()] = number,
            "platform_mem_numa_free_bytes" => iteration.free[node()] = number,
            "numa__task_current_node" => drop(iteration.nodes.insert(task(), number as i64)),
            "numa__task_tasks_count" => iteration.counts += 1,
            _ => {}
        }
    }
    all.into_values().collect()
}

/// Bytes of anonymous memory on each node, from the end of a line of the script.
fn anon(line: &str) -> Vec<f64> {
    let (_, nodes) = line.split_once("anon ").unwrap_or_else(|| panic!("{line}"));
    nodes.split(' ').map(|node| node.split_once('=').unwrap().1.parse().unwrap()).collect()
}

type Algorithm = fn(&Iteration) -> Option<(String, usize)>;

#[rstest]
#[case::fill_biggest_first("algorithm: fill_biggest_first", Iteration::fill_biggest_first, "")]
#[ignore = "two minutes: a step of .ci/full"]
#[case::minimize_migrations("algorithm: minimize_migrations", Iteration::minimize_migrations, "")]
#[ignore = "two minutes: a step of .ci/full"]
#[case::memory_is_bound(
    "cgroups_memory_binding: true\ncgroups_memory_migrate: true",
    Iteration::fill_biggest_first,
    "its node"
)]
#[case::memory_alone_is_bound(
    "cgroups_cpus_binding: false\ncgroups_memory_binding: true\nmigrate_pages: false",
    Iteration::fill_biggest_first,
    "its node"
)]
fn twelve_tasks_are_balanced_on_four_nodes_and_their_pages_follow(
    #[case] arguments: &str,
    #[case] algorithm: Algorithm,
    #[case] mems: &str,
) {
    let Some(run) = testbed() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("arguments");
    fs::write(&file, arguments).unwrap();
    let files = [format!("{}:/test/arguments", file.display())];
    let text = run_inside_with(&run, &["--nodes", "4", "--icount", "--time", "600"], "balance-numa.sh", &files);
    let iterations = iterations(&text);
    assert!(iterations.len() > FIRST + SECOND, "{text}");
    assert!(iterations[0].nodes.values().all(|node| *node == -1), "{text}");
    let (balanced, confined) = iterations.split_at(FIRST + SECOND);
    let mut expected = iterations[0].nodes.clone();
    // A new start leaves every task where it is, longer than what nobody asks for again would stay.
    for (number, iteration) in balanced.iter().enumerate() {
        assert_eq!((iteration.limits.len(), iteration.pages.len(), iteration.counts), (TASKS, TASKS, 1), "{text}");
        assert_eq!(iteration.nodes, expected, "iteration {number}: {text}");
        if let Some((task, node)) = algorithm(iteration) {
            expected.insert(task, node as i64);
        }
    }
    assert!(expected.values().all(|node| *node >= 0), "{expected:?}");
    // A node that it cannot have is refused, and it gets one that it can.
    let node = confined.last().unwrap().nodes[CONFINED];
    // With minimize_migrations it waits where no node is good enough in two ways.
    assert!([1, 2].contains(&node) || node == -1 && arguments.contains("minimize"), "{text}");
    expected.insert(CONFINED.into(), node);
    assert_eq!(confined.last().unwrap().nodes, expected, "{text}");
    let refused =
        text.lines().filter(|line| line.contains("came to nothing, and is asked for less and less often")).count();
    // With minimize_migrations it may get the node of its pages at once.
    assert!(refused == 1 || refused == 0 && arguments.contains("minimize"), "{text}");
    assert_eq!(text.contains("numa__task_failures{"), refused > 0, "{text}");
    let tasks: Vec<&str> = text.lines().filter(|line| line.starts_with("TASK ")).collect();
    assert_eq!(tasks.len(), TASKS + 1, "{text}");
    for line in tasks {
        let words: Vec<&str> = line.split(' ').collect();
        if expected[words[1]] < 0 {
            continue;
        }
        let node = usize::try_from(expected[words[1]]).unwrap();
        let (first, last) = (2 * node, 2 * node + 1);
        let cpus =
            if arguments.contains("cgroups_cpus_binding: false") { String::new() } else { format!("{first}-{last}") };
        assert_eq!(words[3], cpus, "{line}");
        let all = if words[1] == CONFINED { "" } else { "0-3" };
        assert_eq!(words[5], if mems.is_empty() { all.to_owned() } else { node.to_string() }, "{line}");
        let anon = anon(line);
        assert!(anon[node] >= 0.95 * anon.iter().sum::<f64>(), "{line}\n{text}");
    }
}
