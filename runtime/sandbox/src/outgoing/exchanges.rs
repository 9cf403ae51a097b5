//! The requests of one instance that are under way, and what was stopped of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::grants::Origin;
use crate::limits::{Limits, bytes};
use crate::state::{Lines, LogLevel, locked};

/// Why a request of a policy was refused or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpStop {
    /// It was for an origin that is not granted.
    Origin,
    /// The name of its origin leads to an address that is not granted.
    Address,
    /// There were too many already.
    TooMany,
    /// Its answer was too long.
    Size,
    /// The call ran out of time meanwhile.
    Time,
    /// Its answer was left unread when the call was over.
    Unread,
}

impl HttpStop {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Address => "address",
            Self::TooMany => "too-many",
            Self::Size => "size",
            Self::Time => "time",
            Self::Unread => "unread",
        }
    }
}

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
    lines: Arc<Mutex<Lines>>,
    most: u64,
    pub(super) longest: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    begun: u64,
    open: BTreeMap<u64, Open>,
    stopped: BTreeMap<HttpStop, u64>,
    /// Closed with the call.
    call: watch::Sender<()>,
}

struct Open {
    origin: Origin,
    is_answered: bool,
}

impl Exchanges {
    pub(crate) fn new(limits: &Limits, lines: Arc<Mutex<Lines>>) -> Arc<Self> {
        let inner = Inner { begun: 0, open: BTreeMap::new(), stopped: BTreeMap::new(), call: watch::channel(()).0 };
        Arc::new(Self { lines, most: limits.http_requests, longest: limits.http_answer, inner: Mutex::new(inner) })
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
        *self.inner().stopped.entry(why).or_default() += 1;
        locked(&self.lines).write(LogLevel::Warn, text);
    }

    /// Ends a call: closes what is still under way, and says what the guest has left so. Of `awaited` requests it still waits
    /// for an answer; others without one it has given up itself.
    pub(crate) fn end(&self, how: CallEnd, awaited: usize) -> BTreeMap<HttpStop, u64> {
        let open = {
            let mut inner = self.inner();
            inner.call = watch::channel(()).0;
            std::mem::take(&mut inner.open)
        };
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
        std::mem::take(&mut self.inner().stopped)
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
    use crate::state::{LogLine, LogSink};

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl LogSink for Kept {
        fn write(&self, line: LogLine) {
            self.0.lock().unwrap().push(line.text);
        }
    }

    fn exchanges(most: u64) -> (Arc<Exchanges>, Arc<Kept>) {
        let kept = Arc::new(Kept::default());
        let limits = Limits { http_requests: most, ..Limits::default() };
        let sink = Arc::clone(&kept) as Arc<dyn LogSink>;
        let lines = Arc::new(Mutex::new(Lines::new("P".into(), sink, &limits)));
        (Exchanges::new(&limits, lines), kept)
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
        assert_eq!(exchanges.end(CallEnd::Returned, 1), expected);
        assert!(unread.call.is_over() && awaited.call.is_over() && given_up.call.is_over());
        let cut_off = "a request to http://a:1 was cut off: its answer was not read when the call was over";
        let refused = "a request to http://a:1 was refused: 4 are under way (--limit http-requests raises it)";
        assert_eq!(*kept.0.lock().unwrap(), [refused, cut_off, cut_off]);
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
        assert_eq!(exchanges.end(CallEnd::Stopped, 1), counts(&[]));
        let _second = exchanges.begin(&origin).unwrap();
        assert_eq!(exchanges.end(CallEnd::OutOfTime, 1), counts(&[(HttpStop::Time, 1)]));
    }
}
