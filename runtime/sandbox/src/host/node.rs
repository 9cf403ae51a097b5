//! `wca:policy/node`: the agent's loop, in the hands of a runner.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wca_model::{Sample, Snapshot};

use crate::bindings::node::{Host, Sample as GuestSample};
use crate::state::{LogLevel, State};

/// Why the node did not do what a runner asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(pub String);

/// What a runner may do with the node: the parts that its configuration gives it.
#[async_trait::async_trait]
pub trait NodeAccess: Send {
    /// Discovers and measures.
    async fn measure(&mut self) -> Result<Arc<Snapshot>, NodeError>;
    /// Sends the last snapshot's metrics, and these, to the runner's storage.
    async fn store(&mut self, extra: Vec<Sample>) -> Result<(), NodeError>;
    /// Calls the runner's detector or allocator, and applies what it asks for.
    async fn decide(&mut self) -> Result<(), NodeError>;
    /// Waits until the next tick is due; false when the agent is to end.
    async fn wait(&mut self) -> bool;
}

const NO_NODE: &str = "this runner was given no node: it runs without `measure`, `store` and `decide`";

impl Host for State {
    async fn measure(&mut self) -> wasmtime::Result<Result<(), String>> {
        let Some(mut node) = self.take_node() else { return Ok(Err(NO_NODE.into())) };
        let measured = node.measure().await;
        self.give_back(node);
        Ok(match measured {
            Ok(snapshot) => {
                self.time.set(snapshot.timestamp);
                self.given.seen = self.given.snapshot.take().map(|before| Arc::clone(&before.roster));
                self.given.snapshot = Some(snapshot);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        })
    }

    async fn store(&mut self, extra: Vec<GuestSample>) -> wasmtime::Result<Result<(), String>> {
        let Some(mut node) = self.take_node() else { return Ok(Err(NO_NODE.into())) };
        let stored = node.store(extra.into_iter().map(Sample::from).collect()).await;
        self.give_back(node);
        Ok(stored.map_err(|error| error.to_string()))
    }

    async fn decide(&mut self) -> wasmtime::Result<Result<(), String>> {
        let Some(mut node) = self.take_node() else { return Ok(Err(NO_NODE.into())) };
        let decided = node.decide().await;
        self.give_back(node);
        Ok(decided.map_err(|error| error.to_string()))
    }

    async fn wait(&mut self) -> wasmtime::Result<bool> {
        let Some(mut node) = self.take_node() else {
            self.log(LogLevel::Warn, NO_NODE);
            return Ok(false);
        };
        let goes_on = node.wait().await;
        self.give_back(node);
        // A new tick begins, and with it the budget of lines.
        let mut lines = crate::state::locked(&self.lines);
        lines.end();
        lines.begin();
        Ok(goes_on)
    }
}

/// Links `wait` once more, with fuel for the tick that begins: what the bindings call does not reach the fuel of its store.
pub(crate) fn link_wait(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wca:policy/node@0.1.0")?.func_wrap_async(
        "wait",
        |mut store: StoreContextMut<'_, State>, (): ()| {
            Box::new(async move {
                let goes_on = store.data_mut().wait().await?;
                let fuel = store.data().limits.fuel;
                store.set_fuel(fuel)?;
                Ok((goes_on,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

impl State {
    /// The node, for a call to it: what the guest waits for it is not the guest's time.
    fn take_node(&mut self) -> Option<Box<dyn NodeAccess>> {
        let node = self.node.take()?;
        self.meter.rest();
        Some(node)
    }

    /// The node again, and a new stretch of time for the guest.
    fn give_back(&mut self, node: Box<dyn NodeAccess>) {
        self.node = Some(node);
        self.meter.begin(self.meter.allowed());
    }
}
