//! To which storages a kind of metrics goes.

use std::sync::Arc;

use wca_model::{Batch, Lane, Stream};

use crate::delivery::Delivery;
use crate::filter::{Chain, Filter};

/// A storage, with the filters before it.
type Way = (usize, Arc<Chain>);

/// To which storages a kind of metrics goes, through which filters.
#[derive(Clone, Debug, Default)]
pub struct Outlet {
    ways: Vec<Way>,
}

impl Outlet {
    /// To a storage, by its place among the deliveries.
    #[must_use]
    pub fn to(delivery: usize) -> Self {
        Self { ways: vec![(delivery, Arc::default())] }
    }

    /// To several outlets, in their order.
    #[must_use]
    pub fn all(outlets: impl IntoIterator<Item = Outlet>) -> Self {
        Self { ways: outlets.into_iter().flat_map(|outlet| outlet.ways).collect() }
    }

    /// Through a filter to several outlets, in their order.
    #[must_use]
    pub fn through(filter: Filter, outlets: impl IntoIterator<Item = Outlet>) -> Self {
        let filter = Arc::new(filter);
        let ways = Self::all(outlets).ways.into_iter();
        Self { ways: ways.map(|(delivery, chain)| (delivery, Arc::new(chain.behind(&filter)))).collect() }
    }

    /// Hands the batch to all of them.
    pub fn send(&self, batch: &Batch, deliveries: &[Arc<Delivery>]) {
        for (way, (at, chain)) in self.ways.iter().enumerate() {
            let Some(delivery) = deliveries.get(*at) else { continue };
            let lane = Lane { way, ..batch.lane() };
            let passed = chain.apply(batch);
            delivery.count_left_out(passed.left_out);
            delivery.send(passed.batch.on(lane));
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

    fn names(names: &[&str]) -> Filter {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Filter::new(Some(&names), &[]).unwrap()
    }

    fn label(name: &str, pattern: &str) -> Filter {
        Filter::new(None, &[(name.to_owned(), pattern.to_owned())]).unwrap()
    }

    /// How many samples of `task_up` (2), `x` and `y` each of two storages gets.
    async fn sent(outlet: &Outlet) -> [u64; 2] {
        let delivery = || Arc::new(Delivery::new("test", DeliveryTerms::default(), Gate::new(9)));
        let deliveries = [delivery(), delivery()];
        let samples = vec![sample("x", &[], 1.0), sample("y", &[], 2.0)];
        outlet.send(&batch(0.0, samples), &deliveries);
        for delivery in &deliveries {
            assert!(delivery.flush(Instant::now() + Duration::from_secs(10)).await);
        }
        deliveries.map(|delivery| delivery.delivered().stored)
    }

    #[tokio::test]
    async fn what_a_filter_cannot_decide_in_time_is_counted_as_dropped_of_the_storages_behind_it() {
        let outlet = Outlet::through(label("zone", r"(a|aa|a\b)+\1b|b"), [Outlet::to(0), Outlet::to(1)]);
        let delivery = || Arc::new(Delivery::new("test", DeliveryTerms::default(), Gate::new(9)));
        let deliveries = [delivery(), delivery()];
        let samples = vec![sample("x", &[("zone", "b")], 1.0), sample("x", &[("zone", &"a".repeat(100))], 2.0)];
        outlet.send(&batch(0.0, samples), &deliveries);
        for delivery in &deliveries {
            assert!(delivery.flush(Instant::now() + Duration::from_secs(10)).await);
            let delivered = delivery.delivered();
            // The other one too where there was no time left for it.
            assert!(delivered.stored + delivered.dropped == 2 && delivered.dropped >= 1, "{delivered:?}");
        }
    }

    #[tokio::test]
    async fn filters_choose_by_name_through_all_that_stand_one_in_another() {
        let (first, second) = (Outlet::to(0), Outlet::to(1));
        let x = Outlet::through(names(&["x"]), [first.clone()]);
        let x_and_up = Outlet::through(names(&["x", "task_*"]), [first.clone()]);
        let cases = [
            (first.clone(), [4, 0]),
            (Outlet::default(), [0, 0]),
            (Outlet::all([first.clone(), second.clone()]), [4, 4]),
            (Outlet::through(names(&[]), [first.clone()]), [0, 0]),
            (x.clone(), [1, 0]),
            (Outlet::through(names(&["x", "task_up"]), [x.clone()]), [1, 0]),
            (Outlet::through(names(&["y"]), [x.clone()]), [0, 0]),
            (Outlet::all([x.clone(), second.clone()]), [1, 4]),
            // One storage behind several filters, as an alias is.
            (Outlet::through(label("task_name", "a"), [first.clone(), second.clone()]), [1, 1]),
            (Outlet::through(label("task_name", "b?"), [first.clone()]), [3, 0]),
            (
                Outlet::through(
                    label("host", "vm"),
                    [Outlet::through(label("task_id", ".+"), [x.clone(), first.clone()])],
                ),
                [2, 0],
            ),
            (Outlet::all([x, x_and_up, first]), [8, 0]),
            (Outlet::to(7), [0, 0]),
        ];
        for (outlet, expected) in cases {
            assert_eq!(sent(&outlet).await, expected, "{outlet:?}");
        }
    }
}
