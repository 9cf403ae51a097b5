//! The requests of one instance that are under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Outgoing;
use super::stops::HttpStop;
use crate::grants::Origin;
use crate::limits::{Limits, bytes};
use crate::state::{Lines, locked};

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// The guest has returned.
    Returned,
    /// It took too long.
    OutOfTime,
    /// It was stopped for another reason, which is said.
    Stopped,
}

/// The exchanges of one instance: each a request with its answer. None outlives the call in which it began.
pub(crate) struct Exchanges {
    /// What outlives the instance.
    pub(super) outgoing: Arc<Outgoing>,
    lines: Arc<Mutex<Lines>>,
    most: u64,
    pub(super) longest: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    begun: u64,
    open: BTreeMap<u64, Open>,
    /// Closed with the call.
    call: watch::Sender<()>,
}

pub(super) struct Open {
    origin: Origin,
    is_answered: bool,
}

impl Exchanges {
    pub(crate) fn new(outgoing: Arc<Outgoing>, limits: &Limits, lines: Arc<Mutex<Lines>>) -> Arc<Self> {
        let inner = Mutex::new(Inner { begun: 0, open: BTreeMap::new(), call: watch::channel(()).0 });
        Arc::new(Self { outgoing, lines, most: limits.http_requests, longest: limits.http_answer, inner })
    }

    /// Begins an exchange; none where there are too many already, which is said.
    pub(super) fn begin(self: &Arc<Self>, origin: &Origin) -> Option<Exchange> {
        let mut inner = self.inner();
        if inner.open.len() as u64 >= self.most {
            drop(inner);
            let most = self.most;
            self.stop(
                HttpStop::TooMany,
                &format!("a request to {origin} was refused: {most} are under way (--limit http-requests raises it)"),
            );
            return None;
        }
        inner.begun += 1;
        let number = inner.begun;
        inner.open.insert(number, Open { origin: origin.clone(), is_answered: false });
        Some(Exchange { number, call: Call(inner.call.subscribe()), exchanges: Arc::clone(self) })
    }

    /// Counts what was stopped, and says it.
    pub(super) fn stop(&self, why: HttpStop, text: &str) {
        self.outgoing.stops.count(why);
        locked(&self.lines).tell(why, text);
    }

    /// Closes what is still under way.
    pub(super) fn close(&self) -> BTreeMap<u64, Open> {
        let mut inner = self.inner();
        inner.call = watch::channel(()).0;
        std::mem::take(&mut inner.open)
    }

    /// Ends a call: closes what is still under way, and says what the guest has left so. Of `awaited` requests it still waits
    /// for an answer; others without one it has given up itself.
    pub(crate) fn end(&self, how: CallEnd, awaited: usize) {
        let open = self.close();
        let (answered, waiting): (Vec<Open>, Vec<Open>) = open.into_values().partition(|open| open.is_answered);
        for Open { origin, .. } in answered.into_iter().chain(waiting.into_iter().take(awaited)) {
            match how {
                CallEnd::Returned => self.stop(
                    HttpStop::Unread,
                    &format!("a request to {origin} was cut off: its answer was not read when the call was over"),
                ),
                CallEnd::OutOfTime => self.stop(
                    HttpStop::Time,
                    &format!("a request to {origin} was cut off: its answer was not there as a whole when the call was out of time"),
                ),
                CallEnd::Stopped => {}
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The call in which an exchange began.
#[derive(Clone)]
pub(super) struct Call(watch::Receiver<()>);

impl Call {
    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }

    /// Waits until it is over.
    pub(super) async fn over(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// One request and its answer: under way as long as this lives.
pub(super) struct Exchange {
    number: u64,
    pub(super) call: Call,
    pub(super) exchanges: Arc<Exchanges>,
}

impl Exchange {
    /// The head of the answer is there.
    pub(super) fn answered(&self) {
        if let Some(open) = self.exchanges.inner().open.get_mut(&self.number) {
            open.is_answered = true;
        }
    }

    /// The answer is longer than it may be.
    pub(super) fn too_long(&self) {
        let origin = self.exchanges.inner().open.get(&self.number).map(|open| open.origin.to_string());
        let (origin, longest) = (origin.unwrap_or_default(), bytes(self.exchanges.longest));
        let text = format!(
            "a request to {origin} was cut off: its answer is longer than {longest} (--limit http-answer raises it)"
        );
        self.exchanges.stop(HttpStop::Size, &text);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.exchanges.inner().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::tests::{Kept, exchanges as exchanges_within};

    fn exchanges(most: u64) -> (Arc<Exchanges>, Arc<Kept>) {
        exchanges_within(&[], &Limits { http_requests: most, ..Limits::default() })
    }

    fn counts(of: &[(HttpStop, u64)]) -> BTreeMap<HttpStop, u64> {
        of.iter().copied().collect()
    }

    #[test]
    fn what_is_open_at_the_end_of_a_call_is_over_and_counted() {
        let origin: Origin = "http://a:1".parse().unwrap();
        let (exchanges, kept) = exchanges(4);
        let [read, unread, awaited, given_up] = std::array::from_fn(|_| exchanges.begin(&origin).unwrap());
        assert!(exchanges.begin(&origin).is_none());
        read.answered();
        unread.answered();
        drop(read);
        assert!(!unread.call.is_over());
        let expected = counts(&[(HttpStop::TooMany, 1), (HttpStop::Unread, 2)]);
        exchanges.end(CallEnd::Returned, 1);
        assert_eq!(exchanges.outgoing.stops.counts(), expected);
        assert!(unread.call.is_over() && awaited.call.is_over() && given_up.call.is_over());
        let cut_off = "a request to http://a:1 was cut off: its answer was not read when the call was over";
        let refused = "a request to http://a:1 was refused: 4 are under way (--limit http-requests raises it)";
        assert_eq!(kept.texts(), [refused, cut_off, cut_off]);
        // The next call has all of them again, whatever the guest has kept.
        let next: Vec<Exchange> = (0..4).map(|_| exchanges.begin(&origin).unwrap()).collect();
        drop((unread, awaited, given_up));
        assert!(exchanges.begin(&origin).is_none() && !next[0].call.is_over());
    }

    #[test]
    fn of_a_call_that_was_stopped_only_what_ran_out_of_time_is_counted() {
        let origin: Origin = "http://a:1".parse().unwrap();
        let (exchanges, _) = exchanges(4);
        let _first = exchanges.begin(&origin).unwrap();
        exchanges.end(CallEnd::Stopped, 1);
        assert_eq!(exchanges.outgoing.stops.counts(), counts(&[]));
        let _second = exchanges.begin(&origin).unwrap();
        exchanges.end(CallEnd::OutOfTime, 1);
        assert_eq!(exchanges.outgoing.stops.counts(), counts(&[(HttpStop::Time, 1)]));
    }
}
