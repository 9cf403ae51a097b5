//! The node as a runner sees it that is a component.

use std::sync::Arc;

use wca_model::{Sample, Snapshot};
use wca_sandbox::{NodeAccess, NodeError};

use super::Node;
use super::waiting::Handed;

#[async_trait::async_trait]
impl NodeAccess for Node {
    async fn measure(&mut self) -> Result<Arc<Snapshot>, NodeError> {
        // Here a tick begins, also for a runner that does not call `node.wait`.
        if self.handed != Handed::default() {
            self.has_room().await?;
        }
        self.measure_node().await.map_err(|error| NodeError(error.to_string()))
    }

    async fn store(&mut self, extra: Vec<Sample>) -> Result<(), NodeError> {
        let snapshot = self.measured("node.store")?;
        if std::mem::replace(&mut self.handed.metrics, true) {
            self.has_room().await?;
            self.handed.metrics = true;
        }
        self.store_metrics(&snapshot, extra).await;
        Ok(())
    }

    async fn decide(&mut self) -> Result<(), NodeError> {
        let snapshot = self.measured("node.decide")?;
        if std::mem::replace(&mut self.handed.decisions, true) {
            self.has_room().await?;
            self.handed.decisions = true;
        }
        self.decide_on(&snapshot).await.map_err(|error| NodeError(error.to_string()))
    }

    async fn wait(&mut self) -> bool {
        self.wait_for_next().await
    }
}

impl Node {
    /// What a tick brings is taken as a whole, as in our own loop; before anything more there is room.
    async fn has_room(&mut self) -> Result<(), NodeError> {
        if self.wait_for_room().await {
            return Ok(());
        }
        Err(NodeError("nothing is stored any more: the agent ends".into()))
    }

    fn measured(&self, function: &str) -> Result<Arc<Snapshot>, NodeError> {
        self.snapshot.clone().ok_or_else(|| NodeError(format!("`{function}` before the first `node.measure`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, snapshot, warden};

    #[tokio::test]
    async fn a_runner_measures_before_it_stores_and_decides() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let mut node = node(client);
        let told = node.store(vec![]).await.unwrap_err().to_string();
        assert_eq!(told, "`node.store` before the first `node.measure`");
        let told = NodeAccess::decide(&mut node).await.unwrap_err().to_string();
        assert_eq!(told, "`node.decide` before the first `node.measure`");
        node.snapshot = Some(snapshot(&[1.0]));
        node.store(vec![]).await.unwrap();
    }
}
