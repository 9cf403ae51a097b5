//! What the kubelet of the machine manages itself. The warden fetches the bytes; they are parsed here, where nothing can be
//! lost by it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use wca_messages::{Cgroup, KubeletFiles, Reply, Request, RosterEntry};
use wca_node::KubeletState;

use crate::client::{Client, ClientError};

/// How old what is known of it may be while the tasks stay the same: as often as a kubelet looks at its containers
/// (`cpuManagerReconcilePeriod`).
const PERIOD: Duration = Duration::from_secs(10);

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct Kubelet {
    state: KubeletState,
    asked: Option<Instant>,
    /// What has been said of its files.
    said: BTreeSet<String>,
}

impl Kubelet {
    /// Whether it was asked for too long ago.
    pub(crate) fn is_due(&self) -> bool {
        self.asked.is_none_or(|asked| asked.elapsed() >= PERIOD)
    }

    /// Asks for what it manages now; whether that is something else than before.
    pub(crate) async fn ask(&mut self, client: &Client) -> Result<bool, ClientError> {
        let Reply::KubeletFiles(files) = client.ask(&Request::KubeletFiles).await?.reply else {
            return Err(ClientError::Unexpected);
        };
        self.asked = Some(Instant::now());
        Ok(files.is_some_and(|files| self.take(&files)))
    }

    fn take(&mut self, files: &KubeletFiles) -> bool {
        let (mut state, errors) = KubeletState::read(files);
        if !errors.is_empty() {
            // Whoever had them alone may have them still.
            state.exclusive_cpus.extend(&self.state.exclusive_cpus);
        }
        let errors: BTreeSet<String> = errors.iter().map(ToString::to_string).collect();
        for error in errors.difference(&self.said) {
            tracing::warn!("{error}; cpusets of pods are left to the kubelet until it is as it should be");
        }
        self.said = errors;
        if state == self.state {
            return false;
        }
        for manager in state.managers.iter().filter(|manager| !self.state.managers.contains(manager)) {
            tracing::info!("cpusets of pods are managed by {manager}: requests for them are refused");
        }
        self.state = state;
        true
    }

    /// Says of each task whether its cpuset is the kubelet's; processors that no task gets.
    pub(crate) fn mark(&self, tasks: &mut [RosterEntry], cgroups: &[Cgroup]) -> Vec<u32> {
        self.state.mark(tasks, cgroups);
        self.state.exclusive_cpus.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use wca_messages::KubeletFile;

    use super::*;
    use crate::testing::warden;

    fn files(text: &str) -> KubeletFiles {
        let file = KubeletFile { path: "/k/cpu_manager_state".into(), content: Ok(text.into()) };
        KubeletFiles { cpu: Some(file), memory: None }
    }

    fn marked(kubelet: &Kubelet) -> (Option<String>, Vec<u32>) {
        let mut tasks = [RosterEntry { cgroup: "/kubepods/pod1".into(), ..RosterEntry::default() }];
        let cpus = kubelet.mark(&mut tasks, &[]);
        let [task] = tasks;
        (task.cpuset_managed_by, cpus)
    }

    #[tokio::test]
    async fn what_the_kubelet_manages_is_asked_for_again_and_kept_while_it_stays() {
        let texts = [
            Some(r#"{"policyName":"none"}"#),
            None,
            Some(r#"{"policyName":"static","entries":{"a":{"b":"2"}}}"#),
            None,
            Some(r#"{"policyName":"static","entries":{"a":{"b":"2"}},"checksum":7}"#),
            Some("{"),
        ];
        let mut answers = texts.into_iter();
        let (client, _) = warden(move |_| Reply::KubeletFiles(answers.next().unwrap().map(files)));
        let mut kubelet = Kubelet::default();
        assert!(kubelet.is_due());
        let mut changes = Vec::new();
        let mut managers = Vec::new();
        for _ in 0..6 {
            changes.push(kubelet.ask(&client).await.unwrap());
            assert!(!kubelet.is_due(), "just asked");
            managers.push(marked(&kubelet));
        }
        assert_eq!(changes, [false, false, true, false, false, true]);
        assert_eq!(managers[..2], [(None, vec![]), (None, vec![])]);
        let who = "the CPU manager of its kubelet (policy \"static\" in /k/cpu_manager_state)".to_owned();
        assert_eq!(managers[2], (Some(who), vec![2]));
        assert_eq!((&managers[3], &managers[4]), (&managers[2], &managers[2]));
        assert!(
            managers[5].0.as_ref().is_some_and(|who| who.contains("/k/cpu_manager_state is no state")),
            "{managers:?}"
        );
        assert_eq!(managers[5].1, [2], "nobody has said that they are free");
        assert_eq!(kubelet.said.len(), 1);
    }

    #[tokio::test]
    async fn a_warden_that_does_not_tell_is_an_error() {
        let (client, _) = warden(|_| Reply::Begun);
        assert!(Kubelet::default().ask(&client).await.is_err());
    }
}
