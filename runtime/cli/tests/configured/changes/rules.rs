//! Rules in a file, with the allocator that is built in.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A scene of two tasks, whose rules stand in `rules.yaml` of its folder.
fn scene(name: &str) -> Scene {
    let scene = Scene::new(name, 2);
    scene.setup.configure(&format!(
        "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.02\n    node: !StaticNode \
         {{tasks: [{}]}}\n    metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n  allocator: \
         !StaticAllocator\n    config: FOLDER/rules.yaml\n  anomalies_storage: !LogStorage {{output_filename: \
         FOLDER/anomalies.prom}}\n  allocations_storage: !LogStorage {{output_filename: FOLDER/allocations.prom}}\n",
        scene.names.join(", ")
    ));
    scene
}

impl Scene {
    /// Writes the rules, at once as an editor does.
    fn rules(&self, yaml: &str) {
        let new = self.setup.path("rules.yaml.new");
        fs::write(&new, yaml).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(new, self.setup.path("rules.yaml")).unwrap();
    }

    /// The limit of memory of each task.
    fn limits(&self) -> Vec<String> {
        let limit = |task: &Task| {
            let files = ["memory.limit_in_bytes", "memory.max"];
            let files = task.dirs().into_iter().flat_map(|dir| files.map(|file| dir.join(file)));
            let text = files.filter_map(|file| fs::read_to_string(file).ok()).next().unwrap();
            text.trim().to_owned()
        };
        self.tasks.iter().map(limit).collect()
    }
}

const MIB: u64 = 1 << 20;

#[test]
fn other_rules_of_the_file_are_in_force_without_a_new_start() {
    if !can_make_cgroups() {
        return;
    }
    let scene = scene("rules");
    let (found, first, second) = (scene.limits(), (64 * MIB).to_string(), (128 * MIB).to_string());
    let mut wca = scene.setup.start(&[]);
    // It begins without the file, and says so once.
    wca.until_ticks("metrics.prom", 3);
    assert_eq!(scene.limits(), found);
    let path = scene.setup.path("rules.yaml");
    let missing =
        format!("[StaticAllocator] config: {}: there is no such file; nothing is taken from it", path.display());
    assert_eq!(scene.setup.read("stderr").matches(&missing).count(), 1, "{}", scene.setup.read("stderr"));

    scene.rules("- allocations: {memory_max: 64Mi}\n");
    wca.until("the first rule", |_| scene.limits() == [first.clone(), first.clone()]);
    scene.rules(&format!(
        "- name: second\n  task_id: {}\n  allocations: {{memory_max: 128Mi}}\n- task_id: {}\n  allocations: {{memory_max: 64Mi}}\n",
        scene.names[1], scene.names[0]
    ));
    wca.until("the second rule", |_| scene.limits() == [first.clone(), second.clone()]);

    // What is wrong is told with its line, and changes nothing.
    for (yaml, place) in [
        ("- allocations: {memory_max: 1Mi}\n  task_id: [\n", "rules.yaml:3:1"),
        ("- name: x\n  allocations: {memory_maxx: 1Mi}\n", "rules.yaml:2:17"),
        ("- name: x\n  labels: {a: '('}\n  allocations: {memory_max: 1Mi}\n", "rules.yaml:2:15"),
        ("- !Rule {allocations: {memory_max: 1Mi}}\n", "rules.yaml:1:3"),
    ] {
        scene.rules(yaml);
        wca.until(place, |setup| setup.read("stderr").contains(place));
        let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
        wca.until_ticks("metrics.prom", ticks + 3);
        assert_eq!(scene.limits(), [first.clone(), second.clone()], "{yaml}");
    }
    // A file that has gone takes nothing away, and an empty one all.
    fs::remove_file(&path).unwrap();
    wca.until("it is missed", |setup| setup.read("stderr").contains("what was read of it before stays"));
    assert_eq!(scene.limits(), [first.clone(), second]);
    scene.rules("- allocations: {memory_max: 64Mi}\n");
    wca.until("a rule again", |_| scene.limits() == [first.clone(), first.clone()]);
    scene.rules("");
    wca.until("what was found", |_| scene.limits() == found);
    let finished = wca.stop();
    finished.ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn what_is_wrong_with_the_rules_at_the_start_is_shown_in_its_line() {
    let setup = Setup::with(
        "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {tasks: []}\n  allocator: \
         !StaticAllocator\n    config: FOLDER/rules.yaml\n",
    );
    let path = setup.path("rules.yaml");
    for (yaml, expected) in [
        ("- labels: {a: '('}\n", ["1 | - labels: {a: '('}", "`(` is no regular expression: `)` is missing"]),
        ("- allocations:\n    cpu_shares: x\n", ["2 |     cpu_shares: x", "f64 expected, found the text \"x\""]),
        ("rules: [\n", ["rules.yaml:2:1", "rules.yaml"]),
    ] {
        fs::write(&path, yaml).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let finished = setup.run(&["--iterations", "1"]);
        finished.ends_with(1);
        for text in expected {
            finished.says(text);
        }
        finished.says(&format!("{}:", path.display()));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let finished = setup.run(&["--iterations", "1"]);
    finished.ends_with(1);
    finished.says("everybody may write it (mode 666); take that right away with chmod o-w");
}
