//! Files as kubelets of several versions write them. Checksums are as found or made up: nobody reads them.

use rstest::rstest;

use super::*;

const CPU: &str = "/var/lib/kubelet/cpu_manager_state";
const MEMORY: &str = "/var/lib/kubelet/memory_manager_state";
const NO_CPUS: &str = r#"{"policyName":"none","defaultCpuSet":"","checksum":1353318690}"#;
const STATIC_CPUS: &str = r#"{"policyName":"static","defaultCpuSet":"0,4-7","entries":{
    "d8f1a5b0-6f0e-4a7c-9c53-3f2c1b7f6f10":{"app":"1-2","sidecar":""},
    "4e0b9a32-51a6-4f7e-8a37-2f0f7a1f9be5":{"db":"3"}},"checksum":2863311530}"#;
const NO_MEMORY: &str = r#"{"policyName":"None","machineState":{},"checksum":4236770233}"#;
const STATIC_MEMORY: &str = r#"{"policyName":"Static","machineState":{"0":{"numberOfAssignments":1,"memoryMap":{
    "memory":{"total":135285665792,"systemReserved":1073741824,"allocatable":134211923968,"reserved":1073741824,
    "free":133138182144}},"cells":[0]}},"entries":{"d8f1a5b0-6f0e-4a7c-9c53-3f2c1b7f6f10":{"app":[
    {"numaAffinity":[0],"type":"memory","size":1073741824}]}},"checksum":610715420}"#;
const BY_CPUS: &str = "the CPU manager of its kubelet (policy \"static\" in /var/lib/kubelet/cpu_manager_state)";
const BY_MEMORY: &str =
    "the memory manager of its kubelet (policy \"Static\" in /var/lib/kubelet/memory_manager_state)";

fn file(path: &str, text: &str) -> Option<KubeletFile> {
    Some(KubeletFile { path: path.into(), content: Ok(text.into()) })
}

fn read(cpu: &str, memory: &str) -> KubeletState {
    let of = |path, text: &str| if text.is_empty() { None } else { file(path, text) };
    let (state, errors) = KubeletState::read(&KubeletFiles { cpu: of(CPU, cpu), memory: of(MEMORY, memory) });
    assert!(errors.is_empty(), "{errors:?}");
    state
}

#[rstest]
#[case::no_kubelet("", "", &[], &[])]
#[case::nothing_is_managed(NO_CPUS, NO_MEMORY, &[], &[])]
#[case::processors(STATIC_CPUS, NO_MEMORY, &[BY_CPUS], &[1, 2, 3])]
#[case::processors_without_a_memory_manager(STATIC_CPUS, "", &[BY_CPUS], &[1, 2, 3])]
#[case::memory(NO_CPUS, STATIC_MEMORY, &[BY_MEMORY], &[])]
#[case::both(STATIC_CPUS, STATIC_MEMORY, &[BY_CPUS, BY_MEMORY], &[1, 2, 3])]
#[case::nobody_has_any(r#"{"policyName":"static","defaultCpuSet":"0-7","checksum":14413152}"#, "", &[BY_CPUS], &[])]
#[case::before_1_18(
    r#"{"policyName":"static","defaultCpuSet":"7-9","entries":{"containerID1":"4-6","containerID2":"1"},"checksum":20}"#,
    "", &[BY_CPUS], &[1, 4, 5, 6]
)]
#[case::of_pods(
    r#"{"policyName":"static","defaultCpuSet":"1-2","entries":{"pod1":{"a":"5-6"}},"podEntries":{"pod2":{"cpuSet":"7-8"}},
        "checksum":766259872}"#,
    "", &[BY_CPUS], &[5, 6, 7, 8]
)]
#[case::data_counts_alone(
    r#"{"policyName":"other","defaultCpuSet":"1-9","entries":{"x":{"y":"9"}},"checksum":1234,
        "data":"{\"policyName\":\"static\",\"defaultCpuSet\":\"1-3\",\"entries\":{\"pod\":{\"a\":\"4-5\"}},\"baselines\":{}}",
        "dataChecksum":1032795074}"#,
    r#"{"policyName":"other","machineState":{},"checksum":1,"data":"{\"policyName\":\"None\",\"machineState\":{}}"}"#,
    &[BY_CPUS], &[4, 5]
)]
fn what_a_kubelet_manages(#[case] cpu: &str, #[case] memory: &str, #[case] managers: &[&str], #[case] cpus: &[u32]) {
    let state = read(cpu, memory);
    assert_eq!(state.managers, managers);
    assert_eq!(state.exclusive_cpus.into_iter().collect::<Vec<u32>>(), cpus);
}

#[rstest]
#[case::empty("", "is no state of a kubelet's manager: EOF while parsing a value at line 1 column 0")]
#[case::cut_off(&STATIC_CPUS[..40], "is no state of a kubelet's manager: EOF while parsing a string at line 1 column 40")]
#[case::no_object(
    "7",
    "is no state of a kubelet's manager: invalid type: integer `7`, expected struct State at line 1 column 1"
)]
#[case::no_policy(
    r#"{"defaultCpuSet":""}"#,
    "is no state of a kubelet's manager: missing field `policyName` at line 1 column 20"
)]
#[case::an_empty_policy(r#"{"policyName":""}"#, "is no state of a kubelet's manager: `policyName` is empty")]
#[case::no_entries(
    r#"{"policyName":"static","entries":[1]}"#,
    "is no state of a kubelet's manager: invalid type: sequence, expected a map"
)]
#[case::data(
    r#"{"policyName":"static","data":"{"}"#,
    "is no state of a kubelet's manager: EOF while parsing an object at line 1 column 1"
)]
#[case::processors_of_a_container(
    r#"{"policyName":"static","entries":{"pod":{"a":"1","b":"asd"}}}"#,
    ": `entries.pod.b` has the processors \"asd\": \"asd\" is no number up to 65535"
)]
#[case::processors_of_an_old_one(
    r#"{"policyName":"static","entries":{"id":"2-1"}}"#,
    ": `entries.id` has the processors \"2-1\": \"2-1\" ends before it begins"
)]
#[case::processors_of_a_pod(
    r#"{"policyName":"static","podEntries":{"pod":{"cpuSet":"7-"}}}"#,
    ": `podEntries.pod` has the processors \"7-\": \"\" is no number up to 65535"
)]
fn a_file_that_cannot_be_used_is_told_and_leaves_pods_to_the_kubelet(#[case] text: &str, #[case] wrong: &str) {
    let (state, errors) = KubeletState::read(&KubeletFiles { cpu: file(CPU, text), memory: file(MEMORY, NO_MEMORY) });
    let [error] = errors.try_into().unwrap();
    let told = error.to_string();
    assert!(told.strip_prefix(CPU).is_some_and(|rest| rest.trim_start() == wrong), "{told}");
    assert_eq!(state.managers, [format!("its kubelet, as far as can be known ({told})")]);
    assert!(state.exclusive_cpus.is_empty(), "all of it or nothing");
}

#[test]
fn a_long_text_is_told_in_short_and_in_one_line() {
    let text =
        format!("{{\"policyName\":\"static\",\"entries\":{{\"a\\nb\":{{\"{0}\":\"{0}\"}}}}}}", "9".repeat(10_000));
    let (state, errors) = KubeletState::read(&KubeletFiles { cpu: file(CPU, &text), memory: None });
    assert!(errors[0].to_string().len() < 500, "{errors:?}");
    let policy = format!("{{\"policyName\":\"{}\"}}", "é".repeat(10_000));
    for state in [state, read(&policy, "")] {
        let mut tasks = [RosterEntry { cgroup: "/kubepods/pod1".into(), ..RosterEntry::default() }];
        state.mark(&mut tasks, &[]);
        let [RosterEntry { cpuset_managed_by: Some(who), .. }] = tasks else { panic!("{tasks:?}") };
        assert!(who.len() <= MAX_MANAGER && !who.contains(char::is_control), "{who}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_leaves_pods_to_the_kubelet() {
    let content = Err("Permission denied (os error 13)".to_owned());
    let memory = Some(KubeletFile { path: MEMORY.into(), content });
    let (state, errors) = KubeletState::read(&KubeletFiles { cpu: file(CPU, STATIC_CPUS), memory });
    let told = format!("{MEMORY} cannot be read: Permission denied (os error 13)");
    let [error] = errors.try_into().unwrap();
    assert_eq!(error.to_string(), told);
    assert_eq!(state.managers, [BY_CPUS.to_owned(), format!("its kubelet, as far as can be known ({told})")]);
    assert_eq!(state.exclusive_cpus.len(), 3);
}

#[rstest]
#[case::a_pod("/kubepods/besteffort/podd8f1a5b0-6f0e-4a7c-9c53-3f2c1b7f6f10", true)]
#[case::a_container("/kubepods/pod4e0b9a32-51a6-4f7e-8a37-2f0f7a1f9be5/0123456789ab", true)]
#[case::of_systemd("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podd8f1a5b0_6f0e_4a7c.slice", true)]
#[case::below_a_root("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-7.scope", true)]
#[case::all_pods("/kubepods", true)]
#[case::what_holds_them("/docker/7", true)]
#[case::beside_what_holds_them("/docker/70", false)]
#[case::what_holds_nothing("/docker/7/system.slice", false)]
#[case::a_service("/system.slice/kubelet.service", false)]
#[case::named_alike("/kubepods-backup", false)]
fn whose_cpusets_are_managed(#[case] cgroup: &str, #[case] is_managed: bool) {
    let path = "/docker/7/kubelet/kubepods/besteffort/podx/y".to_owned();
    let cgroups = [Cgroup { path, identity: 1, hierarchies: vec![] }];
    let mut tasks = [RosterEntry { cgroup: cgroup.into(), ..RosterEntry::default() }];
    read(NO_CPUS, NO_MEMORY).mark(&mut tasks, &cgroups);
    assert_eq!(tasks[0].cpuset_managed_by, None);
    read(STATIC_CPUS, STATIC_MEMORY).mark(&mut tasks, &cgroups);
    assert_eq!(tasks[0].cpuset_managed_by, is_managed.then(|| format!("{BY_CPUS} and {BY_MEMORY}")));
}
