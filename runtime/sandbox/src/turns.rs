//! Turns on the processor, and the time that a call has used.
//!
//! A guest gives way after each slice. One whose call takes long goes on only when it is its turn among all long calls, which
//! together have one worker thread at a time, so that a short call beside any number of them is served at once. What a call
//! waits for its turn is nobody's fault but the others', and does not count.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::deadline::{Allowed, DeadlineExceeded};

/// Running time after which a call is a long one.
const SHORT: Duration = Duration::from_millis(20);

/// The turns of long calls.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// The time of one call: what it ran, and what it waited in the host.
#[derive(Debug)]
pub(crate) struct Meter(Mutex<Time>);

#[derive(Debug)]
struct Time {
    allowed: Allowed,
    spent: Duration,
    /// How much of that it waited in the host.
    waited: Duration,
    /// Since when it has been running.
    since: Option<Instant>,
    /// Whether it stopped running of its own, to let others run.
    gave_way: bool,
    /// Whether it waits for the node, which takes as long as it takes.
    rests: bool,
}

impl Meter {
    /// The meter of a call that has not begun.
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self(Mutex::new(Time::of(allowed, None)))
    }

    /// Begins a call, or a stretch of a runner, that may take so long.
    pub(crate) fn begin(&self, allowed: Allowed) {
        let mut time = self.time();
        let since = time.since.map(|_| Instant::now());
        *time = Time::of(allowed, since);
    }

    /// Ends a stretch of a runner: it waits for its node until the next one begins.
    pub(crate) fn rest(&self) {
        self.time().rests = true;
    }

    fn rests(&self) -> bool {
        self.time().rests
    }

    /// What the call may take.
    pub(crate) fn allowed(&self) -> Allowed {
        self.time().allowed
    }

    /// What is left of that.
    pub(crate) fn left(&self) -> Duration {
        let time = self.time();
        time.allowed.time.saturating_sub(time.so_far())
    }

    pub(crate) fn exceeded(&self) -> Option<DeadlineExceeded> {
        let time = self.time();
        let so_far = time.so_far();
        let exceeded = DeadlineExceeded { allowed: time.allowed, waited: time.waited > so_far / 2 };
        (so_far >= time.allowed.time).then_some(exceeded)
    }

    /// The guest ends its slice.
    pub(crate) fn give_way(&self) {
        self.time().gave_way = true;
    }

    fn gave_way(&self) -> bool {
        std::mem::take(&mut self.time().gave_way)
    }

    /// Whether it goes on only in turn. What the node does for a runner is no guest's work, and waits for none.
    fn is_long(&self) -> bool {
        let time = self.time();
        !time.rests && time.spent >= SHORT
    }

    /// Counts what `work` takes.
    fn running<R>(&self, work: impl FnOnce() -> R) -> R {
        self.time().since = Some(Instant::now());
        let result = work();
        let mut time = self.time();
        if let Some(since) = time.since.take() {
            time.spent += since.elapsed();
        }
        result
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Time {
    fn of(allowed: Allowed, since: Option<Instant>) -> Self {
        let (spent, waited) = (Duration::ZERO, Duration::ZERO);
        Self { allowed, spent, waited, since, gave_way: false, rests: false }
    }

    fn so_far(&self) -> Duration {
        self.spent + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Runs a call to its end, turn by turn, within what its meter allows.
///
/// # Errors
/// [`DeadlineExceeded`] where it waited in the host for too long; a guest that runs for too long is trapped by its engine.
pub(crate) async fn metered<F: Future>(meter: &Meter, turns: &Turns, call: F) -> Result<F::Output, DeadlineExceeded> {
    let mut call = pin!(call);
    loop {
        // It fails only where turns are closed, which they never are.
        let turn = if meter.is_long() { turns.0.acquire().await.ok() } else { None };
        let polled = poll_fn(|context| Poll::Ready(meter.running(|| call.as_mut().poll(context)))).await;
        drop(turn);
        match polled {
            Poll::Ready(output) => return Ok(output),
            Poll::Pending if meter.gave_way() => tokio::task::yield_now().await,
            Poll::Pending => wait(meter).await?,
        }
    }
}

/// Waits until the call can go on, as long as it may.
async fn wait(meter: &Meter) -> Result<(), DeadlineExceeded> {
    let begun = Instant::now();
    let mut asleep = true;
    // Whatever wakes this task was left by the call when it was polled.
    let woken = poll_fn(|_| if std::mem::take(&mut asleep) { Poll::Pending } else { Poll::Ready(()) });
    if meter.rests() {
        woken.await;
        return Ok(());
    }
    // Both ways out look alike: the end of the time wakes this task as well, and it is polled as if the call had.
    let _ = tokio::time::timeout(meter.left(), woken).await;
    let waited = begun.elapsed();
    {
        let mut time = meter.time();
        time.spent += waited;
        time.waited += waited;
    }
    meter.exceeded().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A guest that runs for `slices` slices of 5 ms.
    async fn guest(meter: &Meter, slices: u32) {
        for _ in 0..slices {
            std::thread::sleep(Duration::from_millis(5));
            meter.give_way();
            tokio::task::yield_now().await;
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    }

    #[test]
    fn what_a_call_waits_for_others_is_not_its_own_time() {
        let turns = Turns::default();
        let spent: Vec<Duration> = runtime().block_on(async {
            let calls: Vec<_> = (0..8)
                .map(|_| {
                    let turns = turns.clone();
                    tokio::spawn(async move {
                        let meter = Meter::new(Allowed::call(Duration::from_secs(60)));
                        metered(&meter, &turns, guest(&meter, 10)).await.unwrap();
                        meter.allowed().time - meter.left()
                    })
                })
                .collect();
            let mut spent = Vec::new();
            for call in calls {
                spent.push(call.await.unwrap());
            }
            spent
        });
        // Together they take 400 ms on at most two threads; each has 50 of them, and more only where the machine is slow.
        assert!(spent.iter().min().is_some_and(|least| *least < Duration::from_millis(150)), "{spent:?}");
    }

    #[test]
    fn a_call_that_waits_in_the_host_is_ended() {
        let runtime = runtime();
        // Each time: when the time ends within a millisecond of the timer's must make no difference.
        for _ in 0..50 {
            let (meter, turns) = (Meter::new(Allowed::call(Duration::from_millis(5))), Turns::default());
            let polls = AtomicU32::new(0);
            let call = poll_fn(|_| {
                polls.fetch_add(1, Ordering::Relaxed);
                Poll::<()>::Pending
            });
            let ended = runtime.block_on(metered(&meter, &turns, call));
            let exceeded = ended.unwrap_err();
            assert_eq!((exceeded.to_string(), exceeded.waited), ("ran longer than 5ms".to_owned(), true));
            assert_eq!(polls.into_inner(), 1, "it was polled although nothing had woken it");
        }
    }

    #[test]
    fn who_has_run_for_most_of_its_time_has_not_waited() {
        let (meter, turns) = (Meter::new(Allowed::call(Duration::from_millis(40))), Turns::default());
        let call = async {
            std::thread::sleep(Duration::from_millis(30));
            std::future::pending::<()>().await;
        };
        let exceeded = runtime().block_on(metered(&meter, &turns, call)).unwrap_err();
        assert!(!exceeded.waited, "{meter:?}");
    }

    #[test]
    fn what_a_runner_waits_for_its_node_is_not_counted() {
        let allowed = Allowed::call(Duration::from_millis(30));
        let (meter, turns) = (Meter::new(allowed), Turns::default());
        let node = async {
            meter.rest();
            tokio::time::sleep(Duration::from_millis(100)).await;
            meter.begin(allowed);
        };
        runtime().block_on(async { metered(&meter, &turns, node).await }).unwrap();
        assert!(meter.left() > Duration::from_millis(10), "{:?}", meter.left());
    }

    #[test]
    fn what_the_node_does_for_a_runner_waits_for_nobodys_turn() {
        let turns = Turns::default();
        let taken = Arc::clone(&turns.0).try_acquire_owned().unwrap();
        let meter = Meter::new(Allowed::call(Duration::from_secs(60)));
        let runner = async {
            std::thread::sleep(SHORT);
            meter.rest();
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let ended = async { tokio::time::timeout(Duration::from_secs(20), metered(&meter, &turns, runner)).await };
        runtime().block_on(ended).unwrap().unwrap();
        drop(taken);
    }

    #[test]
    fn a_short_wait_in_the_host_is_counted_and_ends() {
        let (meter, turns) = (Meter::new(Allowed::call(Duration::from_secs(60))), Turns::default());
        runtime()
            .block_on(async { metered(&meter, &turns, tokio::time::sleep(Duration::from_millis(30))).await })
            .unwrap();
        assert!(meter.left() <= Duration::from_secs(60) - Duration::from_millis(30));
    }
}
