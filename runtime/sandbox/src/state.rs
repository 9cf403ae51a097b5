//! What the host keeps for one instance: everything that its imports read and write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rand_pcg::Pcg64Mcg;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wca_config::Node;
use wca_model::{Batch, Contention, Outcome, Platform, Request, Roster, Sample, Snapshot};

use crate::deadline::{EpochClock, Ticking};
use crate::failure::Failure;
use crate::host::node::NodeAccess;
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::outgoing::{CallEnd, GrantedHttp, HttpStop};
use crate::policy::PolicyName;
use crate::text::printable;
use crate::turns::{Meter, Turns};
use crate::wasi::GuestTime;

/// How much a line of a policy matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For who looks.
    Info,
    /// Something is odd.
    Warn,
    /// Something is broken.
    Error,
}

/// A line of a policy for the agent's log: no control characters, no longer than the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Who wrote it.
    pub policy: PolicyName,
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub text: String,
}

/// Takes the lines of policies.
pub trait LogSink: Send + Sync {
    /// Takes one line. It must not wait.
    fn write(&self, line: LogLine);
}

/// The lines of one instance on their way to the sink, within the limits of a call.
pub(crate) struct Lines {
    policy: PolicyName,
    sink: Arc<dyn LogSink>,
    most: u64,
    longest: usize,
    written: u64,
    dropped: u64,
    /// How often the host itself had to say what, in this call.
    told: BTreeMap<HttpStop, u64>,
}

/// Lines of one kind that the host itself writes in a call: they are no guest's to use up.
const TOLD: u64 = 5;

impl Lines {
    pub(crate) fn new(policy: PolicyName, sink: Arc<dyn LogSink>, limits: &Limits) -> Self {
        let longest = usize::try_from(limits.log_line).unwrap_or(usize::MAX);
        Self { policy, sink, most: limits.log_lines, longest, written: 0, dropped: 0, told: BTreeMap::new() }
    }

    pub(crate) fn write(&mut self, level: LogLevel, text: &str) {
        if self.written >= self.most {
            self.dropped += 1;
            return;
        }
        self.written += 1;
        self.put(level, text);
    }

    /// Says what of the policy's requests was stopped, whatever it has written itself.
    pub(crate) fn tell(&mut self, why: HttpStop, text: &str) {
        let told = self.told.entry(why).or_default();
        *told += 1;
        if *told <= TOLD {
            self.put(LogLevel::Warn, text);
        }
    }

    fn put(&self, level: LogLevel, text: &str) {
        let text = printable(text, self.longest);
        self.sink.write(LogLine { policy: self.policy.clone(), level, text });
    }

    /// Begins a call, with the full number of lines again.
    pub(crate) fn begin(&mut self) {
        self.written = 0;
        self.dropped = 0;
        self.told.clear();
    }

    /// Ends a call: says how many lines were not written.
    pub(crate) fn end(&mut self) {
        for (why, told) in self.told.iter().filter(|(_, told)| **told > TOLD) {
            let text = format!("{} more requests were refused or cut off (reason `{}`)", told - TOLD, why.name());
            self.put(LogLevel::Warn, &text);
        }
        if self.dropped > 0 {
            let text = format!(
                "{} more lines were not written: a call may log {} (--limit log-lines raises it)",
                self.dropped, self.most
            );
            self.put(LogLevel::Warn, &text);
        }
    }
}

pub(crate) fn locked(lines: &Mutex<Lines>) -> std::sync::MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a policy said in one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Contentions, in the order in which they were reported.
    pub contentions: Vec<Contention>,
    /// Metrics of the policy's own.
    pub metrics: Vec<Sample>,
    /// Requests that were accepted, in the order in which they were made.
    pub requests: Vec<Request>,
    /// Requests, contentions and metrics that were refused.
    pub refused: u64,
    /// Why the first of them was refused.
    pub refusal: Option<String>,
    /// Series that were taken: metrics, evidence and culprits.
    pub(crate) series: u64,
    /// Bytes of their texts.
    pub(crate) bytes: u64,
}

impl Said {
    /// What counts of a call that was stopped: what it said may be half of what it meant, but what was refused was refused.
    pub(crate) fn of_stopped(self) -> Self {
        let Self { refused, refusal, .. } = self;
        Self { refused, refusal, ..Self::default() }
    }
}

/// What one call may read.
#[derive(Default)]
pub(crate) struct Given {
    /// The snapshot; none outside of a call.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// The roster of the policy's previous call.
    pub(crate) seen: Option<Arc<Roster>>,
    /// What became of earlier requests.
    pub(crate) outcomes: Vec<Outcome>,
    /// The metrics to store.
    pub(crate) batch: Option<Batch>,
}

/// What the host keeps for one instance.
pub(crate) struct State {
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    /// The time of the call.
    pub(crate) meter: Arc<Meter>,
    /// The turns that it waits for where its calls are long.
    pub(crate) turns: Turns,
    pub(crate) platform: Arc<Platform>,
    /// What the operator wrote, with its places.
    pub(crate) settings: Arc<Node>,
    pub(crate) given: Given,
    pub(crate) said: Said,
    pub(crate) lines: Arc<Mutex<Lines>>,
    pub(crate) said_not_measured: std::collections::BTreeSet<&'static str>,
    pub(crate) random: Pcg64Mcg,
    pub(crate) node: Option<Box<dyn NodeAccess>>,
    pub(crate) time: GuestTime,
    /// Lets epochs pass while the guest runs.
    pub(crate) clock: Arc<EpochClock>,
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    /// Before the table, in which the bodies of requests are: it is dropped first.
    pub(crate) granted_http: GrantedHttp,
    pub(crate) table: ResourceTable,
}

impl State {
    /// The snapshot of this call.
    ///
    /// # Errors
    /// A trap that says so outside of a call.
    pub(crate) fn now(&self, function: &str) -> wasmtime::Result<&Arc<Snapshot>> {
        self.given.snapshot.as_ref().ok_or_else(|| {
            wasmtime::format_err!(
                "`{function}` was called when there is no snapshot: it answers during `detect`, `allocate` and `store`, \
                 and in a runner after `node.measure`"
            )
        })
    }

    /// Lets epochs pass as long as the answer lives.
    pub(crate) fn ticking(&self) -> Ticking {
        self.clock.tick()
    }

    /// Ends a call: closes the requests that it has left under way, and the lines that it logged.
    pub(crate) fn end_call<T>(&mut self, result: &Result<T, Failure>) {
        let how = match result {
            Err(Failure::Deadline { .. }) => CallEnd::OutOfTime,
            Err(failure) if !failure.spares_instance() => CallEnd::Stopped,
            _ => CallEnd::Returned,
        };
        self.granted_http.end(how, &mut self.table);
        locked(&self.lines).end();
    }

    pub(crate) fn log(&self, level: LogLevel, text: &str) {
        locked(&self.lines).write(level, text);
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.granted_http }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<LogLine>>);

    impl LogSink for Kept {
        fn write(&self, line: LogLine) {
            self.0.lock().unwrap().push(line);
        }
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_and_the_next_call_starts_anew() {
        let kept = Arc::new(Kept::default());
        let limits = Limits { log_lines: 2, ..Limits::default() };
        let mut lines = Lines::new("Loud".into(), Arc::clone(&kept) as Arc<dyn LogSink>, &limits);
        for _ in 0..2 {
            lines.begin();
            for number in 0..5 {
                lines.write(LogLevel::Info, &format!("line {number}"));
            }
            lines.end();
        }
        let texts: Vec<String> = kept.0.lock().unwrap().iter().map(|line| line.text.clone()).collect();
        let told = "3 more lines were not written: a call may log 2 (--limit log-lines raises it)";
        assert_eq!(texts, ["line 0", "line 1", told, "line 0", "line 1", told]);
    }

    #[test]
    fn what_the_host_says_is_said_whatever_the_guest_has_written_and_is_bounded_by_itself() {
        let kept = Arc::new(Kept::default());
        let limits = Limits { log_lines: 1, ..Limits::default() };
        let mut lines = Lines::new("Loud".into(), Arc::clone(&kept) as Arc<dyn LogSink>, &limits);
        lines.begin();
        lines.write(LogLevel::Info, "a line");
        for number in 0..TOLD + 3 {
            lines.tell(HttpStop::Origin, &format!("request {number}"));
        }
        lines.tell(HttpStop::Unread, "an answer");
        lines.end();
        lines.begin();
        lines.tell(HttpStop::Origin, "another call");
        let texts: Vec<String> = kept.0.lock().unwrap().iter().map(|line| line.text.clone()).collect();
        let requests: Vec<String> = (0..TOLD).map(|number| format!("request {number}")).collect();
        let more = "3 more requests were refused or cut off (reason `origin`)".to_owned();
        let (first, rest) = (["a line".to_owned()], ["an answer".to_owned(), more, "another call".to_owned()]);
        assert_eq!(texts, [&first[..], &requests, &rest].concat());
    }
}
