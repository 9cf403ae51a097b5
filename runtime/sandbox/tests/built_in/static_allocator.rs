//! `components/static-allocator`: rules of the operator.

mod given_back;

use rstest::rstest;
use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};
use wca_model::{Fate, Kind, Platform};

use crate::harness::{BuiltIn, Scene, machine, signature};

/// Four processors, two NUMA nodes, no resctrl.
fn plain() -> Platform {
    machine(&[(0, &[0, 1], 1 << 30), (1, &[2, 3], 1 << 30)])
}

/// The same with an L3 cache of 12 ways and memory bandwidth in percent, each in domains 0 and 1.
fn with_resctrl() -> Platform {
    let cache = CacheControl { domains: vec![0, 1], mask: 0xfff, min_ways: 2, contiguous: true, code_data: false };
    Platform {
        l3: Some(cache),
        bandwidth: Some(BandwidthControl { domains: vec![0, 1], unit: BandwidthUnit::Percent, min: 10, step: 10 }),
        groups: 16,
        ..plain()
    }
}

fn start(yaml: &str, platform: Platform) -> Result<BuiltIn, String> {
    BuiltIn::start("components/static-allocator", yaml, platform)
}

fn allocator(yaml: &str) -> BuiltIn {
    start(yaml, plain()).unwrap()
}

/// `t1` with the label foo=bar, and `t2`.
fn two_tasks() -> Scene {
    let mut scene = Scene::new();
    scene.task("t1").label("foo", "bar");
    scene.task("t2");
    scene
}

/// What is asked for of two tasks.
fn asked(yaml: &str) -> Vec<String> {
    allocator(yaml).tick(&two_tasks()).clean().asked
}

/// Test vector 88 of the Python agent; its numbers are shares here, since a quota is at most 1.
#[test]
fn v88_later_rules_override_earlier_ones() {
    let yaml = "rules:\n\
                - allocations: {cpu_shares: 2}\n\
                - task_id: t2\n  allocations: {cpu_shares: 3}\n\
                - labels: {foo: bar}\n  allocations: {cpu_shares: 1}\n";
    assert_eq!(asked(yaml), ["t1 cpu_shares 1", "t2 cpu_shares 3"]);
}

/// Test vector 89 of the Python agent.
#[test]
fn v89_resctrl_of_one_task_is_a_group_of_its_own() {
    let yaml = "rules: [{task_id: t1, allocations: {rdt: {l3: 'L3:0=f;1=0ff'}}}]";
    let tick = start(yaml, with_resctrl()).unwrap().tick(&two_tasks()).clean();
    assert_eq!(tick.asked, ["t1 rdt_group a group of its own", "t1 rdt_l3 0=f", "t1 rdt_l3 1=ff"]);
}

#[test]
fn the_rules_of_the_sample_file_are_for_all_tasks() {
    let yaml =
        "config:\n- name: default\n  allocations:\n    cpu_quota: 1.0\n    cpu_shares: 10\n    cpuset_cpus: \"1-3\"\n";
    let expected = ["cpu_quota 1", "cpu_shares 10", "cpuset_cpus 1,2,3"];
    let expected: Vec<String> =
        ["t1", "t2"].iter().flat_map(|task| expected.iter().map(move |asked| format!("{task} {asked}"))).collect();
    assert_eq!(asked(yaml), expected);
}

#[test]
fn rules_of_the_file_come_after_those_beside_it() {
    let yaml = "config: [{allocations: {cpu_shares: 2}}]\nrules: [{allocations: {cpu_shares: 1, cpu_quota: 0.5}}]\n";
    assert_eq!(asked(yaml), ["t1 cpu_quota 0.5", "t1 cpu_shares 2", "t2 cpu_quota 0.5", "t2 cpu_shares 2"]);
}

#[test]
fn of_resctrl_a_later_rule_replaces_the_whole() {
    let yaml = "rules:\n\
                - allocations: {rdt: {name: be, l3: 'L3:0=f', mb: 'MB:0=20;1=30'}}\n\
                - task_id: t2\n  allocations: {rdt: {name: '', l3: 'L3:0=ff'}}\n";
    let tick = start(yaml, with_resctrl()).unwrap().tick(&two_tasks()).clean();
    let expected =
        ["t1 rdt_group be", "t1 rdt_l3 0=f", "t1 rdt_mb 0=20", "t1 rdt_mb 1=30", "t2 rdt_group ", "t2 rdt_l3 0=ff"];
    assert_eq!(tick.asked, expected);
}

/// A pattern matches the beginning of a value, as `re.match` does.
#[rstest]
#[case("{foo: ba}", &["t1"])]
#[case("{foo: ar}", &[])]
#[case("{foo: '.*ar$'}", &["t1"])]
#[case("{foo: '(?i)BAR(?!x)'}", &["t1"])]
#[case("{fo: bar}", &[])]
#[case("{task_id: 't[12]'}", &["t1", "t2"])]
#[case("{task_name: t2}", &["t2"])]
#[case("{foo: bar, absent: x}", &["t1"])]
#[case("{foo: nothing, task_id: t2}", &["t2"])]
fn tasks_are_chosen_by_any_of_their_labels(#[case] labels: &str, #[case] expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|task| format!("{task} cpu_shares 1")).collect();
    assert_eq!(asked(&format!("rules: [{{labels: {labels}, allocations: {{cpu_shares: 1}}}}]")), expected);
}

#[rstest]
#[case("{foo: bar, task_id: t}", &["t1"])]
#[case("{foo: bar, absent: x}", &[])]
#[case("{task_id: t, task_name: t}", &["t1", "t2"])]
fn or_by_all_of_them(#[case] labels: &str, #[case] expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|task| format!("{task} cpu_shares 1")).collect();
    assert_eq!(asked(&format!("rules: [{{labels: {labels}, match: all, allocations: {{cpu_shares: 1}}}}]")), expected);
}

#[test]
fn what_any_means_is_said_once_where_it_is_not_written() {
    let rule = |more: &str| format!("{{name: two, labels: {{foo: bar, x: y}}, allocations: {{cpu_shares: 1}}{more}}}");
    let yaml = format!("rules: [{}, {}, {}]", rule(""), rule(", match: any"), rule(", match: all"));
    let mut policy = allocator(&yaml);
    let note =
        "INFO rules[0]: the rule `two` has 2 labels, and is for tasks with any one of them; `match: all` asks for all";
    assert_eq!(policy.tick(&two_tasks()).clean().lines, [note]);
    assert!(policy.tick(&two_tasks()).clean().lines.is_empty());
}

#[test]
fn an_id_comes_before_labels_and_one_that_is_not_there_costs_nothing() {
    let yaml = "rules:\n\
                - {task_id: t2, labels: {foo: bar}, allocations: {cpu_shares: 1}}\n\
                - {task_id: t9, allocations: {cpu_shares: 9}}\n";
    let mut policy = allocator(yaml);
    let tick = policy.tick(&two_tasks()).clean();
    assert_eq!(tick.asked, ["t2 cpu_shares 1"]);
    assert_eq!(tick.lines, ["WARN there is no task `t9` now, which a rule names by its id"]);
    let mut scene = two_tasks();
    scene.task("t9");
    assert!(policy.tick(&scene).clean().asked.contains(&"t9 cpu_shares 9".to_owned()));
}

#[rstest]
#[case("cpu_quota: 0.5", "cpu_quota 0.5")]
#[case("cpu_quota: 1", "cpu_quota 1")]
#[case("cpu_shares: 0.5", "cpu_shares 0.5")]
#[case("cpu_weight: 200", "cpu_weight 200")]
#[case("cpuset_cpus: 0-1", "cpuset_cpus 0,1")]
#[case("cpuset_cpus: '3, 0-1'", "cpuset_cpus 0,1,3")]
#[case::v2("cpuset_cpus: '3,1- 2'", "cpuset_cpus 1,2,3")]
#[case::v2("cpuset_cpus: '1,  2'", "cpuset_cpus 1,2")]
#[case("cpuset_cpus: '2,1,1-2'", "cpuset_cpus 1,2")]
#[case("cpuset_cpus: 2", "cpuset_cpus 2")]
#[case("cpuset_cpus: [3, 1]", "cpuset_cpus 3,1")]
#[case("cpuset_mems: '0,1'", "cpuset_mems 0,1")]
#[case("cpuset_memory_migrate: 1", "cpuset_memory_migrate 1")]
#[case("cpuset_memory_migrate: false", "cpuset_memory_migrate 0")]
#[case("migrate_pages: 1", "migrate_pages 1")]
#[case("memory_high: 512Mi", "memory_high 536870912")]
#[case("memory_high: max", "memory_high max")]
#[case("memory_max: 1000000", "memory_max 1000000")]
#[case("memory_low: 1G", "memory_low 1000000000")]
#[case("io_weight: 50", "io_weight 50")]
fn every_kind_can_be_written(#[case] allocation: &str, #[case] expected: &str) {
    let yaml = format!("rules: [{{task_id: t1, allocations: {{{allocation}}}}}]");
    assert_eq!(asked(&yaml), [format!("t1 {expected}")]);
}

/// What is wrong costs one value of one rule, and is said once, with its line, the rule, the tasks and the value.
#[rstest]
#[case(
    "cpu_quota: 1.5",
    "cpu_quota 1.5",
    "invalid: cpu_quota 1.5: a number from 0 to 1 is taken, where 1 lifts the limit"
)]
#[case("cpuset_cpus: 0-9", "cpuset_cpus 0-9", "invalid: cpuset_cpus names 10 processors: online here are 0-3")]
#[case("cpuset_cpus: x-y", "cpuset_cpus x-y", "`x` is no number and no range; a list such as 0-3,6 is taken")]
#[case("cpuset_cpus: 3-1", "cpuset_cpus 3-1", "`3-1` is no number and no range; a list such as 0-3,6 is taken")]
#[case(
    "cpuset_cpus: '0-4294967295'",
    "cpuset_cpus 0-4294967295",
    "`0-4294967295` is no number and no range; a list such as 0-3,6 is taken"
)]
#[case("cpuset_cpus: ''", "cpuset_cpus ", "invalid: cpuset_cpus without a processor: at least one of 0-3 is taken")]
#[case("memory_high: 1.5G", "memory_high 1.5G", "this is no number of bytes; 512Mi, 1G, 4096 or max is taken")]
#[case("memory_low: max", "memory_low max", "max is no number of bytes to keep")]
#[case("memory_high: lots", "memory_high lots", "this is no number of bytes; 512Mi, 1G, 4096 or max is taken")]
#[case("cpuset_memory_migrate: 2", "cpuset_memory_migrate 2", "0 or 1 is taken, or false or true")]
fn what_is_wrong_costs_one_value(#[case] allocation: &str, #[case] value: &str, #[case] why: &str) {
    let key = value.split(' ').next().unwrap();
    let yaml = format!(
        "rules:\n- allocations: {{io_weight: 7}}\n- name: bad\n  allocations:\n    cpu_weight: 5\n    {allocation}\n"
    );
    let mut policy = allocator(&yaml);
    let tick = policy.tick(&two_tasks());
    let mut expected: Vec<String> = Vec::new();
    for task in ["t1", "t2"] {
        expected.extend([format!("{task} cpu_weight 5"), format!("{task} io_weight 7")]);
    }
    let mut found = tick.asked.clone();
    found.sort();
    assert_eq!((found, tick.failure), (expected, None));
    let column = 5 + key.len() + 2;
    let line =
        format!("WARN p.yaml:6:{column}: rules[1].allocations.{key}: the rule `bad`, {value}, tasks `t1`, `t2`: {why}");
    assert_eq!(tick.lines, [line]);
    assert!(policy.tick(&two_tasks()).lines.is_empty());
}

#[test]
fn a_group_that_cannot_be_had_leaves_ways_and_bandwidth_alone() {
    let yaml = "rules: [{allocations: {cpu_shares: 1, rdt: {name: be, l3: 'L3:0=f'}}}]";
    let tick = allocator(yaml).tick(&two_tasks());
    assert_eq!(tick.asked, ["t1 cpu_shares 1", "t2 cpu_shares 1"]);
    assert_eq!(tick.lines.len(), 1, "{:?}", tick.lines);
    assert!(tick.lines[0].contains("tasks `t1`, `t2`: not supported here:"), "{}", tick.lines[0]);
}

#[test]
fn a_wrong_mask_costs_that_mask_alone() {
    let yaml = "rules: [{name: be, task_id: t1, allocations: {rdt: {name: be, l3: 'L3:0=f0f;1=f', mb: 'MB:0=50'}}}]";
    let tick = start(yaml, with_resctrl()).unwrap().tick(&two_tasks());
    assert_eq!(tick.asked, ["t1 rdt_group be", "t1 rdt_l3 1=f", "t1 rdt_mb 0=50"]);
    assert!(
        tick.lines[0].contains("the rule `be`, rdt the group be, L3:0=f0f;1=f, MB:0=50, task `t1`"),
        "{:?}",
        tick.lines
    );
}

#[rstest]
#[case("L3:0=zz", "`zz` is no mask of cache ways, in hexadecimal digits")]
#[case("somevalue", "it does not begin with `L3:`")]
#[case("MB:0=1", "it does not begin with `L3:`")]
#[case::v40("L3:0=", "a value cannot be empty")]
#[case::v40("L3:0=2;0=3", "the domain 0 stands there twice")]
#[case::v40("L3:=2", "the id of a domain cannot be empty")]
#[case::v40("L3:2", "the separator `=` of a value is missing")]
#[case::v40("L3:;", "a domain cannot be empty")]
#[case::v40("L3:xxx", "the separator `=` of a value is missing")]
#[case("L3:x=2", "`x` is no id of a domain")]
fn a_malformed_line_costs_the_group(#[case] l3: &str, #[case] why: &str) {
    let yaml = format!("rules: [{{task_id: t1, allocations: {{cpu_shares: 1, rdt: {{l3: '{l3}'}}}}}}]");
    let tick = start(&yaml, with_resctrl()).unwrap().tick(&two_tasks());
    assert_eq!(tick.asked, ["t1 cpu_shares 1"]);
    let told = format!("task `t1`: `{l3}`: {why}; a line such as `L3:0=…;1=…` is taken");
    assert!(tick.lines[0].ends_with(&told), "{:?}", tick.lines);
}

#[rstest]
#[case("rules: [{labels: {foo: '('}}]", "rules[0].labels.foo: the rule: `(` is no regular expression: `)` is missing")]
#[case("rules: [{name: a, labels: {}}]", "rules[0].labels: the rule `a` names no label, and so no task;")]
fn what_nobody_can_mean_is_refused(#[case] yaml: &str, #[case] expected: &str) {
    let told = start(yaml, plain()).err().unwrap();
    assert!(told.contains(expected), "{told}");
}

#[rstest]
#[case("rules: [{allocations: {cpu_qouta: 1}}]", "p.yaml:1:24: P.rules[0].allocations.cpu_qouta: unknown key;")]
#[case("rules: [{allocations: {cpu_quota: much}}]", "p.yaml:1:35: P.rules[0].allocations.cpu_quota: f64 expected,")]
#[case("config: x", "p.yaml:1:9: P.config: [{name:")]
fn what_has_the_wrong_shape_is_refused_with_its_line(#[case] yaml: &str, #[case] expected: &str) {
    let told = start(yaml, plain()).err().unwrap();
    assert!(told.starts_with(expected), "{told}");
}

#[rstest]
#[case("", &["WARN there are no rules, so that nothing is asked for"])]
#[case("{rules: [], config: null}", &["WARN there are no rules, so that nothing is asked for"])]
#[case("rules: [{name: a}]", &["WARN p.yaml:1:9: rules[0]: the rule `a` has no `allocations` and gives nothing"])]
#[case("rules: [{allocations: {}}]", &[])]
fn rules_that_give_nothing_are_said(#[case] yaml: &str, #[case] expected: &[&str]) {
    let tick = allocator(yaml).tick(&two_tasks()).clean();
    assert!(tick.asked.is_empty(), "{:?}", tick.asked);
    assert_eq!(tick.lines, expected);
}

#[test]
fn other_rules_are_taken_and_what_no_rule_gives_any_more_is_given_back() {
    let mut policy = allocator("config: [{allocations: {cpu_shares: 1, cpu_quota: 0.5, migrate_pages: 0}}]");
    let tick = policy.tick(&two_tasks()).clean();
    policy.renew("config: [{labels: {foo: bar}, allocations: {cpu_shares: 2}}]");
    let expected = ["t1 cpu_quota release", "t1 cpu_shares 2", "t2 cpu_quota release", "t2 cpu_shares release"];
    let tick = policy.tick_with(&two_tasks(), &tick, &Fate::Applied).clean();
    assert_eq!(tick.asked, expected);
    let tick = policy.tick_with(&two_tasks(), &tick, &Fate::Applied).clean();
    assert_eq!(tick.asked, ["t1 cpu_shares 2"]);
    policy.renew("config: null");
    let tick = policy.tick_with(&two_tasks(), &tick, &Fate::Applied).clean();
    assert_eq!(tick.asked, ["t1 cpu_shares release"]);
    assert!(policy.tick_with(&two_tasks(), &tick, &Fate::Unchanged).clean().asked.is_empty());
}

#[test]
fn other_rules_that_are_wrong_are_said_and_the_old_ones_stay() {
    let mut policy = allocator("config: [{allocations: {cpu_shares: 1}}]");
    let before = policy.tick(&two_tasks()).clean().asked;
    let cases = [
        (
            "config: [{allocations: {cpu_shares: x}}]",
            "p.yaml:1:37: P.config[0].allocations.cpu_shares: f64 expected, found the text",
        ),
        ("config: [{labels: {a: '('}}]", "p.yaml:1:23: config[0].labels.a: the rule: `(` is no regular expression"),
    ];
    for (yaml, expected) in cases {
        policy.renew(yaml);
        let tick = policy.tick(&two_tasks()).clean();
        assert_eq!(tick.asked, before);
        let line = tick.lines.iter().find(|line| line.starts_with("ERROR")).unwrap();
        let start = format!("ERROR new arguments are not taken, and the old ones stay: {expected}");
        assert!(line.starts_with(&start), "{line}");
    }
    policy.renew("config: [{allocations: {cpu_shares: 3}}]");
    assert_eq!(policy.tick(&two_tasks()).clean().asked, ["t1 cpu_shares 3", "t2 cpu_shares 3"]);
}

#[test]
fn a_task_gets_what_its_labels_say_now() {
    let mut policy = allocator("rules: [{labels: {foo: bar}, allocations: {cpu_shares: 1}}]");
    let mut scene = two_tasks();
    assert_eq!(policy.tick(&scene).clean().asked, ["t1 cpu_shares 1"]);
    scene.task("t1").label("foo", "other");
    scene.task("t2").label("foo", "bar");
    scene.task("t3").label("foo", "bar");
    let tick = policy.tick(&scene).clean();
    assert_eq!(tick.asked, ["t1 cpu_shares release", "t2 cpu_shares 1", "t3 cpu_shares 1"]);
    scene.end("t2");
    assert_eq!(policy.tick_with(&scene, &tick, &Fate::Applied).clean().asked, ["t3 cpu_shares 1"]);
}

#[test]
fn what_came_to_nothing_is_said_with_its_rule() {
    let mut policy = allocator("rules: [{name: all, allocations: {cpu_shares: 1}}]");
    policy.tick(&two_tasks()).clean();
    let outcomes = [("t2", Kind::CpuShares, None, Fate::Failed("busy".into()))];
    let tick = policy.tick_after(&two_tasks(), &outcomes).clean();
    let line =
        "WARN p.yaml:1:47: rules[0].allocations.cpu_shares: the rule `all`, cpu_shares 1, task `t2`: cpu_shares: busy";
    assert_eq!(tick.lines, [line]);
    assert!(policy.tick_after(&two_tasks(), &outcomes).clean().lines.is_empty());
}

#[test]
fn the_shape_of_a_rule_is_written_once() {
    let told = signature("components/static-allocator");
    assert!(told.starts_with("StaticAllocator(rules: [{name: string?, task_id: string?, "), "{told}");
    assert!(told.ends_with("}]?, config: file of what rules takes)"), "{told}");
}

/// A thousand tasks, each looked at once: the patterns are not searched again in every tick.
#[test]
fn many_tasks_are_within_the_limits() {
    let yaml = "rules:\n- {labels: {app: 'x|y|(?!z)db.*'}, allocations: {cpu_shares: 1, cpuset_cpus: 0-3}}\n";
    let mut policy = allocator(yaml);
    let mut scene = Scene::new();
    for number in 0..1_000 {
        scene.task(&format!("t{number}")).label("app", &format!("db-{number}"));
    }
    assert_eq!(policy.tick(&scene).clean().asked.len(), 2_000);
    assert_eq!(policy.tick(&scene).clean().asked.len(), 2_000);
}
