//! Whose cpusets are a kubelet's business, from what its managers have written down.
//!
//! The CPU manager with the policy `static` gives processors to containers of guaranteed pods alone, and moves all other
//! containers out of their way: it writes the cpuset of every container, and again when the shared rest changes
//! (`reconcileState` of `pkg/kubelet/cm/cpumanager/cpu_manager.go`). The memory manager with the policy `Static` counts what
//! it has promised of each NUMA node, and so reckons with where every pod has its memory. With either, cpusets of all pods are
//! the kubelet's, not only of those that its files name.
//!
//! The formats are those of `pkg/kubelet/cm/cpumanager/state/checkpoint.go` and `pkg/kubelet/cm/memorymanager/state/checkpoint.go`
//! of <https://github.com/kubernetes/kubernetes>. The checksum in them is left alone: it is one of how Go prints a structure.

mod cpus;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use wca_messages::{Cgroup, KubeletFile, KubeletFiles, MAX_MANAGER, RosterEntry};

use cpus::cpus;

/// Characters of a text in a file that are shown where it is wrong.
const SHOWN: usize = 100;

/// What a kubelet has kept for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletState {
    /// Who manages the cpusets of its pods; nobody: they are free.
    pub managers: Vec<String>,
    /// Processors that it has given to one container or pod alone.
    pub exclusive_cpus: BTreeSet<u32>,
}

/// A state file that cannot be used. Cpusets of pods are the kubelet's then, since they may be.
#[derive(Debug, thiserror::Error)]
pub enum KubeletStateError {
    /// It is there, and could not be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What reading said.
        why: String,
    },
    /// It is not JSON of this form.
    #[error("{path} is no state of a kubelet's manager: {source}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It names no policy.
    #[error("{path} is no state of a kubelet's manager: `policyName` is empty")]
    NoPolicy {
        /// The file.
        path: String,
    },
    /// Processors that are none.
    #[error("{path}: `{key}` has the processors {found:?}: {why}")]
    Cpus {
        /// The file.
        path: String,
        /// Where they stand in it.
        key: String,
        /// What stands there.
        found: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Both files, as far as they are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    policy_name: String,
    /// Of the CPU manager. That of the memory manager has other entries, which are not asked for.
    #[serde(default)]
    entries: serde_json::Value,
    #[serde(default)]
    pod_entries: serde_json::Value,
    /// The same as JSON of its own, which alone counts where it is there: the rest is for kubelets that do not know it.
    #[serde(default)]
    data: String,
}

/// What has processors to itself: a container by the name of its pod, or, in files of kubelets before 1.18, by its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Pod(BTreeMap<String, String>),
    Container(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodEntry {
    cpu_set: String,
}

impl KubeletState {
    /// Reads the files. One that cannot be used is told, and counts as that of a kubelet that manages its pods.
    #[must_use]
    pub fn read(files: &KubeletFiles) -> (Self, Vec<KubeletStateError>) {
        let (mut state, mut errors) = (Self::default(), Vec::new());
        let files = [(&files.cpu, "CPU", true), (&files.memory, "memory", false)];
        for (file, name, has_cpus) in
            files.into_iter().filter_map(|(file, name, has)| Some((file.as_ref()?, name, has)))
        {
            match policy(file, has_cpus, &mut state.exclusive_cpus) {
                // "none" of the one, "None" of the other.
                Ok(policy) if policy.eq_ignore_ascii_case("none") => {}
                Ok(policy) => {
                    let path = &file.path;
                    state.managers.push(format!("the {name} manager of its kubelet (policy {policy:?} in {path})"));
                }
                Err(error) => {
                    state.managers.push(format!("its kubelet, as far as can be known ({error})"));
                    errors.push(error);
                }
            }
        }
        (state, errors)
    }

    /// Says of each task whose cpuset is the kubelet's: of pods, of what is in them, and of what holds pods.
    pub fn mark(&self, tasks: &mut [RosterEntry], cgroups: &[Cgroup]) {
        if self.managers.is_empty() {
            return;
        }
        let managers = one_line(&self.managers.join(" and "), MAX_MANAGER / 4);
        let of_pods: BTreeSet<&str> = cgroups.iter().filter_map(|cgroup| all_pods(&cgroup.path)).collect();
        for task in tasks {
            let below = |path: &&str| path.strip_prefix(&task.cgroup).is_some_and(|rest| rest.starts_with('/'));
            if all_pods(&task.cgroup).is_some() || of_pods.iter().any(below) {
                task.cpuset_managed_by = Some(managers.clone());
            }
        }
    }
}

/// The cgroup that holds all pods of the kubelet to which this one belongs: `kubepods`, as `cgroupfs` and as systemd name it,
/// wherever the kubelet has its root (`defaultNodeAllocatableCgroupName` of `pkg/kubelet/cm`).
fn all_pods(cgroup: &str) -> Option<&str> {
    let mut end = 0;
    for name in cgroup.split('/') {
        end += name.len();
        if name == "kubepods" || name == "kubepods.slice" || name.ends_with("-kubepods.slice") {
            return cgroup.get(..end);
        }
        end += 1;
    }
    None
}

/// So many characters of a text that anybody may have written, without those that would end a line.
fn one_line(text: &str, most: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(most).collect()
}

/// The policy of a manager; what it has given away goes to `exclusive`, all of it or nothing.
fn policy(file: &KubeletFile, has_cpus: bool, exclusive: &mut BTreeSet<u32>) -> Result<String, KubeletStateError> {
    let path = || file.path.clone();
    let malformed = |source| KubeletStateError::Malformed { path: path(), source };
    let bytes = file.content.as_ref();
    let bytes = bytes.map_err(|why| KubeletStateError::Unreadable { path: path(), why: why.clone() })?;
    let mut state: State = serde_json::from_slice(bytes).map_err(malformed)?;
    if !state.data.is_empty() {
        state = serde_json::from_str(&state.data).map_err(malformed)?;
    }
    if state.policy_name.is_empty() {
        return Err(KubeletStateError::NoPolicy { path: path() });
    }
    if has_cpus {
        let mut found = BTreeSet::new();
        let mut add = |key: String, text: &str| {
            let wrong = |why| KubeletStateError::Cpus {
                path: path(),
                key: one_line(&key, SHOWN),
                found: one_line(text, SHOWN),
                why,
            };
            cpus(text, &mut found).map_err(wrong)
        };
        let entries: Option<BTreeMap<String, Entry>> = serde_json::from_value(state.entries).map_err(malformed)?;
        for (name, entry) in entries.into_iter().flatten() {
            match entry {
                Entry::Container(cpus) => add(format!("entries.{name}"), &cpus)?,
                Entry::Pod(containers) => containers
                    .iter()
                    .try_for_each(|(container, cpus)| add(format!("entries.{name}.{container}"), cpus))?,
            }
        }
        let pods: Option<BTreeMap<String, PodEntry>> = serde_json::from_value(state.pod_entries).map_err(malformed)?;
        for (name, pod) in pods.into_iter().flatten() {
            add(format!("podEntries.{name}"), &pod.cpu_set)?;
        }
        exclusive.append(&mut found);
    }
    Ok(state.policy_name)
}

#[cfg(test)]
mod tests;
