//! What the warden's guard has undone, and policies that nobody calls any more: told to whom it concerns.

use wca_messages::{Request, Reverted};
use wca_model::{Contended, Contention, Sample, Signal};

use super::Node;
use crate::client::ClientError;
use crate::definitions::{GUARD_AFTER, GUARD_BEFORE};
use crate::policies::Decision;

/// In whose name an anomaly stands that the guard has found.
const GUARD: &str = "guard";

impl Node {
    /// Tells the policies, in their next calls, and keeps it for the operator.
    pub(super) fn take_reverted(&mut self, reverted: Vec<Reverted>) {
        for one in &reverted {
            for (policy, outcome) in &one.outcomes {
                self.policies.tell(*policy, vec![outcome.clone()]);
            }
        }
        self.reverted.extend(reverted);
    }

    /// What the guard has found since the last time, as if a policy had.
    pub(super) fn decision_of_guard(&mut self) -> Option<Decision> {
        if self.reverted.is_empty() {
            return None;
        }
        let contentions = std::mem::take(&mut self.reverted).into_iter().map(contention).collect();
        let (metrics, requests) = (Vec::new(), Vec::new());
        Some(Decision {
            policy: GUARD.into(),
            number: u32::MAX,
            contentions,
            metrics,
            requests,
            refused: 0,
            begins_anew: false,
        })
    }

    /// Has the warden see to what policies have changed that nobody calls any more.
    pub(super) async fn give_up(&mut self) -> Result<(), ClientError> {
        for policy in self.policies.given_up() {
            self.client.ask(&Request::Quarantined { policy }).await?;
        }
        Ok(())
    }
}

/// Those of which something was changed are to blame.
fn contention(reverted: Reverted) -> Contention {
    let Reverted { guard, signal, victim, before, after, culprits, .. } = reverted;
    let labels = || vec![("guard".to_owned(), guard.clone()), ("signal".to_owned(), signal.as_str().to_owned())];
    let evidence: Vec<Sample> = vec![GUARD_BEFORE.labelled(labels(), before), GUARD_AFTER.labelled(labels(), after)];
    let about = match signal {
        Signal::PsiCpu | Signal::Throttling => Contended::Cpus,
        Signal::PsiMemory | Signal::Cpi | Signal::Metric(_) => Contended::Unknown,
    };
    Contention { about, victim, culprits, evidence }
}

#[cfg(test)]
mod tests {
    use wca_messages::Reply;
    use wca_model::{Fate, Kind, Outcome, TaskKey};

    use super::*;
    use crate::testing::{node, snapshot, warden};

    fn reverted() -> Reverted {
        let outcome = |task| Outcome {
            task: TaskKey(task),
            kind: Kind::CpuQuota,
            domain: None,
            fate: Fate::Reverted("why".into()),
        };
        Reverted {
            guard: "db".into(),
            signal: Signal::PsiCpu,
            victim: TaskKey(1),
            before: 0.25,
            after: 0.75,
            culprits: vec![TaskKey(1), TaskKey(2)],
            outcomes: vec![(0, outcome(1)), (0, outcome(2)), (1, outcome(2))],
        }
    }

    #[tokio::test]
    async fn what_was_undone_is_told_to_its_policies_and_is_an_anomaly_once() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let mut node = node(client);
        node.take_reverted(vec![reverted()]);
        let decision = node.decision_of_guard().unwrap();
        assert!(node.decision_of_guard().is_none());
        let found: Vec<Sample> =
            decision.contentions.iter().flat_map(|one| one.metrics(&snapshot(&[1.0, 1.0]), &[])).collect();
        let label = |sample: &Sample, name: &str| {
            sample.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.clone())
        };
        let anomalies: Vec<_> = found.iter().filter(|sample| sample.name == "anomaly").collect();
        assert_eq!(anomalies.len(), 2, "{found:?}");
        assert!(anomalies.iter().all(|one| label(one, "contended_task_id") == Some("task1".into())), "{found:?}");
        assert!(anomalies.iter().all(|one| label(one, "resource") == Some("cpus".into())), "{found:?}");
        let after = found.iter().find(|sample| sample.name == "guard_signal_after").unwrap();
        assert_eq!(
            (after.value, label(after, "guard"), label(after, "signal")),
            (0.75, Some("db".into()), Some("psi_cpu".into()))
        );
    }

    #[tokio::test]
    async fn the_warden_hears_once_of_a_policy_that_is_called_no_more() {
        let (client, asked) = warden(|_| Reply::Outcomes(vec![]));
        let mut node = node(client);
        node.give_up().await.unwrap();
        node.policies.members[1].quarantine();
        node.give_up().await.unwrap();
        node.give_up().await.unwrap();
        assert_eq!(*asked.lock().unwrap(), [Request::Quarantined { policy: 1 }]);
    }
}
