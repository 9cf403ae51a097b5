//! What a tick brings, gathered until all of it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wca_model::{Batch, Lane};

use super::page::{Page, Pages};
use crate::store::{Store, StoreError};
use crate::work::Work;

/// Gathers the batches of each tick, and shows them when all have come.
pub struct PrometheusStorage {
    pages: Arc<Pages>,
    gathered: Gathered,
}

impl PrometheusStorage {
    /// That shows what it gathers there; `lanes` are those by which batches come to it.
    pub(super) fn new(pages: Arc<Pages>, lanes: BTreeSet<Lane>) -> Self {
        Self { pages, gathered: Gathered { lanes, tick: 0, batches: BTreeMap::new(), is_shown: true } }
    }
}

#[async_trait::async_trait]
impl Store for PrometheusStorage {
    async fn store(&mut self, batch: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        for batches in self.gathered.add(batch.clone()) {
            self.pages.show(Page::new(batches));
        }
        Ok(())
    }
}

/// The batches of one tick so far.
struct Gathered {
    /// The lanes of a tick that is whole.
    lanes: BTreeSet<Lane>,
    tick: u64,
    batches: BTreeMap<Lane, Batch>,
    is_shown: bool,
}

impl Gathered {
    /// Adds a batch; what can be shown now, in its order. A tick of which something is lost, or which brings less than it was
    /// thought to, as a runner may decide, is shown when the next one begins, and the next is not expected to bring more.
    fn add(&mut self, batch: Batch) -> Vec<Vec<Batch>> {
        let mut shown = Vec::new();
        if batch.snapshot().tick != self.tick {
            if !self.batches.is_empty() {
                self.lanes = self.batches.keys().copied().collect();
                if !self.is_shown {
                    shown.push(self.all());
                }
            }
            self.batches.clear();
            self.tick = batch.snapshot().tick;
            self.is_shown = false;
        }
        self.batches.insert(batch.lane(), batch);
        if self.lanes.iter().all(|lane| self.batches.contains_key(lane)) {
            self.is_shown = true;
            shown.push(self.all());
        }
        shown
    }

    fn all(&self) -> Vec<Batch> {
        self.batches.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::Stream;

    use super::*;
    use crate::testing::batch_of_tick;

    /// What is shown of batches that come one after the other, each given as its tick and its lane, where `ma` are the lanes
    /// at first. Batches that are shown together stand together.
    #[rstest]
    #[case::whole_ticks("ma", "1a 1m 2a 2m", "1m1a 2m2a")]
    #[case::one_lane("m", "1m 2m", "1m 2m")]
    #[case::unknown_lane("", "1m 2m 2a 3m 3a", "1m 2m 2m2a 3m3a")]
    #[case::something_lost("ma", "1a 1m 2a 3a 3m 4a 4m", "1m1a 2a 3a 3m3a 4m4a")]
    #[case::less_than_thought("ma", "1m 2m 3m", "1m 2m 3m")]
    #[case::twice_on_one_lane("m", "1m 1m 2m", "1m 1m 2m")]
    fn what_is_shown(#[case] lanes: &str, #[case] come: &str, #[case] expected: &str) {
        let lane = |letter: char| Lane::from(if letter == 'm' { Stream::Metrics } else { Stream::Anomalies });
        let lanes = lanes.chars().map(lane).collect();
        let mut gathered = Gathered { lanes, tick: 0, batches: BTreeMap::new(), is_shown: true };
        let mut shown = Vec::new();
        for one in come.split(' ') {
            let (tick, letter) = one.split_at(1);
            let batch = batch_of_tick(tick.parse().unwrap()).on(lane(letter.chars().next().unwrap()));
            for batches in gathered.add(batch) {
                let text = batches.iter().map(|batch| {
                    let letter = if batch.lane().stream == Stream::Metrics { 'm' } else { 'a' };
                    format!("{}{letter}", batch.snapshot().tick)
                });
                shown.push(text.collect::<String>());
            }
        }
        assert_eq!(shown.join(" "), expected);
    }
}
