//! To which storages a kind of metrics goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use wca_model::Batch;

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
        for (at, only) in &self.ways {
            let Some(delivery) = deliveries.get(*at) else { continue };
            let batch = only.as_ref().map_or_else(|| batch.clone(), |names| batch.only(names));
            delivery.send(batch).await;
        }
    }
}
