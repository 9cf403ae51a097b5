//! To which storages a kind of metrics goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use wca_model::{Batch, Lane, Stream};

use crate::delivery::Delivery;

/// A storage, with the names of the metrics that it gets; none: all.
type Way = (usize, Option<Arc<BTreeSet<String>>>);

/// To which storages a kind of metrics goes, through which filters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlet {
    ways: Vec<Way>,
}

impl Outlet {
    /// To a storage, by its place among the deliveries.
    #[must_use]
    pub fn to(delivery: usize) -> Self {
        Self { ways: vec![(delivery, None)] }
    }

    /// Through a filter to several outlets, in their order: only the metrics of these names, or all where there are none.
    #[must_use]
    pub fn through(names: Option<&[String]>, outlets: impl IntoIterator<Item = Outlet>) -> Self {
        let names: Option<BTreeSet<String>> = names.map(|names| names.iter().cloned().collect());
        let ways = outlets.into_iter().flat_map(|outlet| outlet.ways).map(|(delivery, inner)| {
            let both = match (&names, inner) {
                (None, inner) => inner,
                (Some(names), None) => Some(Arc::new(names.clone())),
                (Some(names), Some(inner)) => Some(Arc::new(names.intersection(&inner).cloned().collect())),
            };
            (delivery, both)
        });
        Self { ways: ways.collect() }
    }

    /// Hands the batch to all of them.
    pub async fn send(&self, batch: &Batch, deliveries: &[Arc<Delivery>]) {
        for (way, (at, only)) in self.ways.iter().enumerate() {
            let Some(delivery) = deliveries.get(*at) else { continue };
            let lane = Lane { way, ..batch.lane() };
            let batch = only.as_ref().map_or_else(|| batch.clone(), |names| batch.only(names));
            delivery.send(batch.on(lane)).await;
        }
    }

    /// The lanes by which what is sent of this stream comes to a storage.
    pub fn lanes_to(&self, delivery: usize, stream: Stream) -> impl Iterator<Item = Lane> {
        let ways = self.ways.iter().enumerate().filter(move |(_, (at, _))| *at == delivery);
        ways.map(move |(way, _)| Lane { stream, way })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use wca_model::DeliveryTerms;

    use super::*;
    use crate::testing::{Gate, batch, sample};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// How many samples of `task_up` (2), `x` and `y` each of two storages gets.
    async fn sent(outlet: &Outlet) -> [u64; 2] {
        let delivery = || Arc::new(Delivery::new("test", DeliveryTerms::default(), Gate::new(9)));
        let deliveries = [delivery(), delivery()];
        let samples = vec![sample("x", &[], 1.0), sample("y", &[], 2.0)];
        outlet.send(&batch(0.0, samples), &deliveries).await;
        for delivery in &deliveries {
            assert!(delivery.flush(Instant::now() + Duration::from_secs(10)).await);
        }
        deliveries.map(|delivery| delivery.delivered().stored)
    }

    #[tokio::test]
    async fn filters_choose_by_name_through_all_that_stand_one_in_another() {
        let (first, second) = (Outlet::to(0), Outlet::to(1));
        let x = Outlet::through(Some(&names(&["x"])), [first.clone()]);
        let x_and_up = Outlet::through(Some(&names(&["x", "task_up"])), [first.clone()]);
        let cases = [
            (first.clone(), [4, 0]),
            (Outlet::default(), [0, 0]),
            (Outlet::through(None, [first.clone(), second.clone()]), [4, 4]),
            (Outlet::through(Some(&[]), [first.clone()]), [0, 0]),
            (x.clone(), [1, 0]),
            (Outlet::through(Some(&names(&["x", "task_up"])), [x.clone()]), [1, 0]),
            (Outlet::through(Some(&names(&["y"])), [x.clone()]), [0, 0]),
            (Outlet::through(None, [x.clone(), second.clone()]), [1, 4]),
            // One storage behind several filters, as an alias is.
            (Outlet::through(None, [x, x_and_up, first]), [8, 0]),
            (Outlet::to(7), [0, 0]),
        ];
        for (outlet, expected) in cases {
            assert_eq!(sent(&outlet).await, expected, "{outlet:?}");
        }
    }
}
