use std::time::Duration;

use super::worker::LEAST_PATIENCE;
use super::*;
use crate::store::{PartsSoFar, StoreError};
use crate::testing::{Gate, batch};
use crate::work::Work;

const PATIENT: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(50);
const QUEUE: u32 = 6;

fn terms(on_failure: OnStorageFailure) -> DeliveryTerms {
    DeliveryTerms { on_failure, queue: QUEUE as usize, retry: Duration::from_millis(350) }
}

async fn flushed(delivery: &Delivery, within: Duration) -> bool {
    delivery.flush(Instant::now() + within).await
}

/// Hands over batches of these times.
fn send(delivery: &Delivery, times: impl IntoIterator<Item = u32>) {
    for time in times {
        delivery.send(batch(time.into(), vec![]));
    }
}

/// Samples that were stored and lost, and errors.
fn counted(delivery: &Delivery) -> (u64, u64, u64) {
    let Delivered { stored, dropped, errors, .. } = delivery.delivered();
    (stored, dropped, errors)
}

/// The worker has the first, so that the queue is empty.
async fn taken(delivery: &Delivery) {
    while delivery.delivered().waiting > 0 {
        tokio::task::yield_now().await;
    }
}

fn times(range: impl Iterator<Item = u32>) -> Vec<f64> {
    range.map(f64::from).collect()
}

#[tokio::test]
async fn batches_are_stored_in_their_order_and_counted() {
    let gate = Gate::new(usize::from(u8::MAX));
    let delivery = Delivery::new("log", terms(OnStorageFailure::Block), gate.clone());
    send(&delivery, 0..50);
    assert!(flushed(&delivery, PATIENT).await);
    assert_eq!(gate.stored(), times(0..50));
    assert_eq!(counted(&delivery), (100, 0, 0));
    assert!(delivery.delivered().seconds > 0.0);
}

#[tokio::test]
async fn where_the_queue_is_full_the_oldest_is_dropped_and_counted() {
    let gate = Gate::new(0);
    let delivery = Delivery::new("slow", terms(OnStorageFailure::Drop), gate.clone());
    send(&delivery, [0]);
    taken(&delivery).await;
    send(&delivery, 1..=QUEUE + 3);
    assert_eq!((counted(&delivery), delivery.delivered().waiting), ((0, 6, 0), 6));
    gate.permits.add_permits(100);
    assert!(flushed(&delivery, PATIENT).await);
    assert_eq!(gate.stored(), times(std::iter::once(0).chain(4..=QUEUE + 3)));
    assert_eq!((counted(&delivery), delivery.delivered().waiting), ((14, 6, 0), 0));
}

#[tokio::test]
async fn where_nothing_may_be_lost_there_is_no_room_until_no_more_wait_than_may() {
    for on_failure in [OnStorageFailure::Block, OnStorageFailure::Exit] {
        let gate = Gate::new(0);
        let delivery = Delivery::new("log", terms(on_failure), gate.clone());
        send(&delivery, [0]);
        taken(&delivery).await;
        send(&delivery, 1..=QUEUE);
        assert!(delivery.has_room());
        delivery.room().await;
        // What an iteration has made is taken as a whole.
        send(&delivery, QUEUE + 1..=QUEUE + 2);
        for (permits, has_room) in [(0, false), (1, false), (1, true)] {
            gate.permits.add_permits(permits);
            let room = tokio::time::timeout(if has_room { PATIENT } else { SHORT }, delivery.room());
            assert_eq!((room.await.is_ok(), delivery.has_room()), (has_room, has_room), "{on_failure:?}");
        }
        gate.permits.add_permits(100);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!(gate.stored(), times(0..=QUEUE + 2));
        assert_eq!(counted(&delivery).1, 0);
    }
}

#[tokio::test]
async fn a_wait_for_room_is_counted_once_however_often_it_is_begun_again() {
    let delivery = Delivery::new("stuck", terms(OnStorageFailure::Block), Gate::new(0));
    send(&delivery, 0..=QUEUE + 1);
    while delivery.delivered().waiting > QUEUE as usize + 1 {
        tokio::task::yield_now().await;
    }
    for unsaid in 0..3 {
        delivery.say_awaited();
        for _ in 0..5 {
            assert!(tokio::time::timeout(Duration::from_millis(1), delivery.room()).await.is_err());
        }
        // The first wait was said at once.
        let counted = format!("{:?}", delivery.way.full.lock().unwrap());
        assert!(counted.contains(&format!("unsaid: {unsaid}")), "{counted}");
    }
}

#[tokio::test]
async fn flushing_gives_up_in_time() {
    let gate = Gate::new(0);
    let delivery = Delivery::new("stuck", terms(OnStorageFailure::Block), gate.clone());
    assert!(flushed(&delivery, PATIENT).await);
    send(&delivery, [0]);
    assert!(!flushed(&delivery, SHORT).await);
    gate.permits.add_permits(1);
    assert!(flushed(&delivery, PATIENT).await);
    assert_eq!(gate.stored(), [0.0]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_stored_once() {
    for on_failure in [OnStorageFailure::Drop, OnStorageFailure::Block, OnStorageFailure::Exit] {
        let gate = Gate::new(99).refusing(2, || StoreError::Unavailable("not now".into()));
        let delivery = Delivery::new("weak", terms(on_failure), gate.clone());
        send(&delivery, 0..3);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!((gate.stored(), counted(&delivery)), (times(0..3), (6, 0, 2)));
        assert!(!delivery.has_given_up());
    }
}

#[tokio::test]
async fn what_stays_away_too_long_costs_the_oldest_or_the_agent_or_ticks() {
    // The first batch is tried at 0, 100, 300 and 350 ms, when its time is over, and given up.
    let refusing = || Gate::new(99).refusing(4, || StoreError::Unavailable("not now".into()));
    for (on_failure, stored, expected, has_given_up) in [
        (OnStorageFailure::Drop, times(1..3), (4, 2, 4), false),
        (OnStorageFailure::Exit, times(1..3), (4, 2, 4), true),
        (OnStorageFailure::Block, times(0..3), (6, 0, 4), false),
    ] {
        let gate = refusing();
        let delivery = Delivery::new("down", terms(on_failure), gate.clone());
        send(&delivery, 0..3);
        // Without hurry, so that it is as slow as it is.
        tokio::time::timeout(PATIENT, delivery.way.queue.emptied()).await.unwrap();
        assert_eq!((gate.stored(), counted(&delivery)), (stored, expected), "{on_failure:?}");
        assert_eq!(delivery.has_given_up(), has_given_up, "{on_failure:?}");
    }
}

#[tokio::test]
async fn what_a_storage_rejects_is_lost_at_once_and_the_next_is_tried() {
    for (on_failure, has_given_up) in
        [(OnStorageFailure::Drop, false), (OnStorageFailure::Block, false), (OnStorageFailure::Exit, true)]
    {
        let gate = Gate::new(9).refusing(2, || StoreError::Rejected("never".into()));
        let delivery = Delivery::new("bad", terms(on_failure), gate.clone());
        send(&delivery, 0..3);
        assert!(flushed(&delivery, PATIENT).await);
        assert_eq!((gate.stored(), counted(&delivery)), (vec![2.0], (2, 4, 2)), "{on_failure:?}");
        assert_eq!(delivery.has_given_up(), has_given_up, "{on_failure:?}");
    }
}

#[tokio::test]
async fn who_waits_for_the_end_has_what_failed_tried_again_at_once() {
    let gate = Gate::new(99).refusing(1, || StoreError::Told { may_pass: true });
    let long = DeliveryTerms { retry: Duration::from_secs(3600), ..terms(OnStorageFailure::Drop) };
    let delivery = Delivery::new("weak", long, gate.clone());
    send(&delivery, [0]);
    while counted(&delivery).2 == 0 {
        tokio::task::yield_now().await;
    }
    assert!(flushed(&delivery, PATIENT).await);
    assert_eq!(gate.stored(), [0.0]);
}

#[tokio::test]
async fn while_somebody_waits_for_the_end_what_fails_is_tried_again_after_the_shortest_pause() {
    // The pauses after these would be 200 ms, 400 ms and so on: more than six seconds together.
    let gate = Gate::new(99).refusing(6, || StoreError::Unavailable("not yet".into()));
    let long = DeliveryTerms { retry: Duration::from_secs(3600), ..terms(OnStorageFailure::Drop) };
    let delivery = Delivery::new("back soon", long, gate.clone());
    send(&delivery, [0]);
    while counted(&delivery).2 == 0 {
        tokio::task::yield_now().await;
    }
    assert!(flushed(&delivery, Duration::from_secs(4)).await);
    assert_eq!((gate.stored(), counted(&delivery)), (vec![0.0], (2, 0, 6)));
}

#[tokio::test]
async fn who_has_waited_for_the_end_and_gone_on_leaves_the_pauses_as_they_were() {
    let gate = Gate::new(99).refusing(99, || StoreError::Unavailable("not now".into()));
    let long = DeliveryTerms { retry: Duration::from_secs(3600), ..terms(OnStorageFailure::Drop) };
    let delivery = Delivery::new("down", long, gate.clone());
    send(&delivery, [0]);
    assert!(!flushed(&delivery, Duration::from_millis(1500)).await);
    let hurried = counted(&delivery).2;
    assert!(hurried > 5, "{hurried}");
    // The next pauses are of 5 s.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(counted(&delivery).2 <= hurried + 1, "{hurried} {:?}", counted(&delivery));
}

#[tokio::test]
async fn a_way_that_is_closed_is_over_when_all_is_stored() {
    let gate = Gate::new(0);
    let delivery = Delivery::new("log", terms(OnStorageFailure::Block), gate.clone());
    send(&delivery, 0..2);
    assert!(!delivery.is_over());
    delivery.close();
    assert!(!delivery.is_over(), "two wait");
    gate.permits.add_permits(2);
    assert!(flushed(&delivery, PATIENT).await);
    assert_eq!((delivery.is_over(), gate.stored()), (true, times(0..2)));
}

#[tokio::test]
async fn what_was_counted_of_the_way_before_goes_on() {
    let before = Delivery::new("log", terms(OnStorageFailure::Block), Gate::new(9));
    send(&before, [0]);
    let after = Delivery::after(&before, terms(OnStorageFailure::Drop), Gate::new(9));
    send(&after, [1]);
    assert!(flushed(&before, PATIENT).await && flushed(&after, PATIENT).await);
    assert_eq!((after.name(), after.delivered().stored), ("log", 4));
}

#[tokio::test]
async fn what_was_handed_over_is_stored_although_the_way_has_gone() {
    let gate = Gate::new(0);
    let delivery = Delivery::new("log", terms(OnStorageFailure::Drop), gate.clone());
    send(&delivery, 0..2);
    drop(delivery);
    gate.permits.add_permits(2);
    tokio::time::timeout(PATIENT, async {
        while gate.stored().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_batch_is_tried_to_the_end_of_its_time_and_no_longer() {
    let gate = Gate::new(99).refusing(4, || StoreError::Unavailable("not now".into()));
    let delivery = Delivery::new("late", terms(OnStorageFailure::Drop), gate.clone());
    let begun = Instant::now();
    send(&delivery, [0]);
    tokio::time::timeout(PATIENT, delivery.way.queue.emptied()).await.unwrap();
    assert!(begun.elapsed() >= terms(OnStorageFailure::Drop).retry, "{:?}", begun.elapsed());
    assert_eq!((gate.stored(), counted(&delivery)), (vec![], (0, 2, 4)));
}

#[tokio::test]
async fn a_call_that_does_not_come_back_ends_the_agent_where_that_is_wanted() {
    for (on_failure, expected) in
        [(OnStorageFailure::Exit, true), (OnStorageFailure::Drop, false), (OnStorageFailure::Block, false)]
    {
        let delivery = Delivery::new("hanging", terms(on_failure), Gate::new(0));
        send(&delivery, [0]);
        let until = if expected { PATIENT } else { LEAST_PATIENCE * 2 };
        let given_up = tokio::time::timeout(until, delivery.given_up()).await.is_ok();
        assert_eq!((given_up, delivery.has_given_up()), (expected, expected), "{on_failure:?}");
        assert_eq!(counted(&delivery), (0, 0, 0), "it may be stored yet");
    }
}

#[tokio::test]
async fn what_is_abandoned_is_counted_once_and_gives_up_what_may_not_lose_it() {
    for on_failure in [OnStorageFailure::Drop, OnStorageFailure::Block, OnStorageFailure::Exit] {
        let gate = Gate::new(0);
        let delivery = Delivery::new("stuck", terms(on_failure), gate.clone());
        assert_eq!(delivery.abandon(), Abandoned::default());
        assert!(!delivery.has_given_up());
        let delivery = Delivery::new("stuck", terms(on_failure), gate.clone());
        send(&delivery, [0]);
        taken(&delivery).await;
        send(&delivery, 1..3);
        assert!(!flushed(&delivery, SHORT).await);
        assert_eq!(delivery.abandon(), Abandoned { batches: 3, samples: 6, uncertain: 0 });
        assert_eq!(delivery.has_given_up(), on_failure == OnStorageFailure::Exit);
        // The one that is under way is stored after all, and was counted already.
        gate.permits.add_permits(9);
        while gate.stored().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(SHORT).await;
        assert_eq!((gate.stored(), counted(&delivery)), (vec![0.0], (0, 6, 0)), "{on_failure:?}");
    }
}

#[tokio::test]
async fn what_blocks_is_given_up_in_time_where_no_way_leads_there_any_more() {
    let refused = || Gate::new(usize::from(u8::MAX)).refusing(200, || StoreError::Unavailable("full".into()));
    let counts = Delivery::new("full", terms(OnStorageFailure::Block), refused());
    let before = Delivery::after(&counts, terms(OnStorageFailure::Block), refused());
    send(&before, 0..2);
    tokio::time::sleep(terms(OnStorageFailure::Block).retry * 2).await;
    assert_eq!(counted(&before).1, 0);
    drop(before);
    tokio::time::timeout(PATIENT, async {
        while counted(&counts).1 < 4 {
            tokio::time::sleep(SHORT).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn nothing_is_stored_before_what_comes_first_is_over() {
    let (first, over) = tokio::sync::oneshot::channel::<()>();
    let gate = Gate::new(9);
    let over = async move { drop(over.await) };
    let delivery = Delivery::starting_after(over, "log", None, terms(OnStorageFailure::Block), gate.clone());
    send(&delivery, 0..2);
    assert!(!flushed(&delivery, SHORT).await && gate.stored().is_empty());
    first.send(()).unwrap();
    assert!(flushed(&delivery, PATIENT).await);
    assert_eq!(gate.stored(), times(0..2));
}

/// A storage that answers so, and of whose batches this is said when they are over.
struct InParts {
    answers: Vec<Result<(), StoreError>>,
    over: Vec<Parts>,
}

#[async_trait::async_trait]
impl Store for InParts {
    async fn store(&mut self, _: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        self.answers.pop().unwrap()
    }

    fn over(&mut self) -> Parts {
        self.over.pop().unwrap()
    }
}

#[tokio::test]
async fn what_a_storage_takes_in_parts_is_counted_by_them() {
    // From the last to the first.
    let answers =
        vec![Err(StoreError::Rejected("never".into())), Ok(()), Err(StoreError::Unavailable("not now".into()))];
    let parts = |stored, uncertain| Parts { stored, uncertain };
    // Of two samples each, the first batch is tried twice and stored but for what is uncertain, and the second is given up.
    let store = InParts { answers, over: vec![parts(1, 0), parts(1, 1)] };
    let delivery = Delivery::new("parts", terms(OnStorageFailure::Drop), store);
    for (stored, dropped, uncertain) in [(1, 0, 1), (2, 1, 1)] {
        send(&delivery, [0]);
        tokio::time::timeout(PATIENT, delivery.way.queue.emptied()).await.unwrap();
        let delivered = delivery.delivered();
        assert_eq!((delivered.stored, delivered.dropped, delivered.uncertain), (stored, dropped, uncertain));
    }
}

/// A storage that has got so far with its batch, and does not get any further.
struct Halfway(Parts);

#[async_trait::async_trait]
impl Store for Halfway {
    async fn store(&mut self, _: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        std::future::pending().await
    }

    fn so_far(&self) -> Arc<PartsSoFar> {
        let so_far = PartsSoFar::default();
        so_far.set(self.0);
        Arc::new(so_far)
    }
}

#[tokio::test]
async fn parts_of_what_is_abandoned_count_as_what_became_of_them() {
    let sized = |size: usize| {
        let more = (2..size).map(|number| crate::testing::sample("a", &[("number", &number.to_string())], 1.0));
        batch(0.0, more.collect())
    };
    let parts = |stored, uncertain| Parts { stored, uncertain };
    // Of ten samples under way, and two that wait.
    for (so_far, expected) in [
        (parts(7, 0), Abandoned { batches: 2, samples: 5, uncertain: 0 }),
        (parts(4, 5), Abandoned { batches: 2, samples: 3, uncertain: 5 }),
        (parts(10, 0), Abandoned { batches: 1, samples: 2, uncertain: 0 }),
    ] {
        let delivery = Delivery::new("parts", terms(OnStorageFailure::Drop), Halfway(so_far));
        delivery.send(sized(10));
        taken(&delivery).await;
        delivery.send(sized(2));
        assert_eq!(delivery.abandon(), expected);
        let Delivered { stored, dropped, uncertain, .. } = delivery.delivered();
        assert_eq!((stored, uncertain), (so_far.stored as u64, so_far.uncertain as u64));
        assert_eq!(stored + dropped + uncertain, 12);
    }
}
