//! A kubelet that manages cpusets itself, as far as files in a folder can be one.

use super::*;

const STATE: &str = "kubelet/cpu_manager_state";

/// Replaces the state of the CPU manager, as the kubelet does.
fn write_state(scene: &Scene, text: &str) {
    let new = scene.setup.path("kubelet/new");
    fs::create_dir_all(scene.setup.path("kubelet")).unwrap();
    fs::write(&new, text).unwrap();
    fs::rename(new, scene.setup.path(STATE)).unwrap();
}

#[test]
fn cpusets_of_pods_are_left_to_a_kubelet_that_manages_them_and_its_processors_go_to_nobody() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("kubelet");
    let pod = format!("{group}/kubepods/besteffort/podd8f1a5b0-6f0e-4a7c-9c53-3f2c1b7f6f10");
    let scene = Scene::of(vec![format!("{group}/other"), pod]);
    let entries = r#"{"4e0b9a32-51a6-4f7e-8a37-2f0f7a1f9be5":{"db":"1"}}"#;
    write_state(
        &scene,
        &format!(r#"{{"policyName":"static","defaultCpuSet":"0","entries":{entries},"checksum":2863311530}}"#),
    );
    scene.configure("  kubelet_root: FOLDER/kubelet\n", "['cpuset_cpus 1 0'], every: 3");
    let [other, pods] = [0, 1].map(|at| {
        let mut files = scene.tasks[at].dirs().into_iter().map(|dir| dir.join("cpuset.cpus"));
        files.find(|file| file.exists()).unwrap()
    });
    let read = |file: &PathBuf| fs::read_to_string(file).unwrap().trim().to_owned();
    let mut wca = scene.start();
    wca.until("the other task has what is nobody's alone", |_| read(&other) == "0");
    let state = scene.setup.path(STATE);
    let said = |setup: &Setup, text: &str| setup.read("stderr").contains(text);
    let managed = format!(
        "cpuset_cpus of this task is managed by the CPU manager of its kubelet (policy \"static\" in {}), to which it is left",
        state.display()
    );
    let alone = "cpuset_cpus names processors that the kubelet has given to one container or pod alone: 1";
    wca.until("both are refused", |setup| said(setup, &managed) && said(setup, alone));
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 8);
    assert_eq!((read(&other), read(&pods)), ("0".into(), scene.found[&pods].trim().into()));

    // A state that nobody understands is said once, and pods are left alone. A new cgroup has the agent look at once.
    write_state(&scene, "{\"policyName\":");
    let extra = Task::idle(&format!("{group}/extra"));
    let malformed = format!("{} is no state of a kubelet's manager: EOF while parsing a value", state.display());
    wca.until("the state is malformed", |setup| {
        said(setup, &format!("its kubelet, as far as can be known ({malformed}"))
    });
    drop(extra);
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 8);
    assert_eq!((read(&other), read(&pods)), ("0".into(), scene.found[&pods].trim().into()));

    // Without a policy everybody's cpusets are free.
    write_state(&scene, r#"{"policyName":"none","defaultCpuSet":"","checksum":1353318690}"#);
    let extra = Task::idle(&format!("{group}/another"));
    for cpu in ["1", "0"] {
        wca.until("both have it", |_| read(&other) == cpu && read(&pods) == cpu);
    }
    drop(extra);
    let finished = wca.stop();
    let warned =
        finished.stderr.lines().filter(|line| line.contains(malformed.as_str()) && line.contains("until it is"));
    assert_eq!(warned.count(), 1, "{finished:#?}");
    finished.ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn a_machine_without_a_kubelet_hears_nothing_of_one() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("no-kubelet", 1);
    scene.configure("  kubelet_root: FOLDER/nowhere\n", "['cpuset_cpus 0']");
    let mut wca = scene.start();
    wca.until("it is applied", |_| scene.read("cpuset.cpus") == "0");
    let finished = wca.stop();
    assert!(!finished.stderr.contains("kubelet"), "{finished:#?}");
    finished.ends_with(0);
    scene.is_as_found("after the end");
}
