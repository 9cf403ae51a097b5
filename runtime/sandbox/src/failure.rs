//! Why a guest was stopped, in words for the operator.

use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::deadline::DeadlineExceeded;
use crate::engine::STACK;
use crate::limiter::Limiter;
use crate::limits::{Limits, bytes};
use crate::text::printable;

/// Why a call did not end as it should. All but [`Failure::Said`] cost the instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The policy itself returned an error.
    #[error("it reported: {0}")]
    Said(String),
    /// A storage that takes the batch later.
    #[error("the storage is unavailable: {0}")]
    Unavailable(String),
    /// A storage that takes the batch never.
    #[error("the storage rejected the batch: {0}")]
    Rejected(String),
    /// The fuel of the call is used up.
    #[error("out of fuel: it used {0} instructions (--limit {1} raises it)")]
    Fuel(u64, &'static str),
    /// The time of the call is used up.
    #[error("it ran longer than {limit} (--limit {raised_by} raises it)")]
    Deadline {
        /// How long it may.
        limit: String,
        /// Name of the limit.
        raised_by: &'static str,
        /// Whether it waited in the host for most of that, as for a server.
        waited: bool,
    },
    /// Its memory reached the ceiling, and it could not go on.
    #[error("out of memory: {0} (--limit memory raises it)")]
    Memory(String),
    /// It handed the host too much at once, or asked it for too much.
    #[error("it moved more than {0} between itself and the host at once (--limit hostcall raises it)")]
    Hostcall(String),
    /// It kept too many handles.
    #[error("it kept more than {0} handles (--limit handles raises it)")]
    Handles(u64),
    /// It is made of too many instances, memories or tables.
    #[error("it is made of more than {0} instances, memories or tables (--limit instances raises it)")]
    Instances(u64),
    /// Its stack overflowed.
    #[error(
        "stack overflow: it calls itself without end, or deeper than {} of stack, which no --limit raises",
        bytes(STACK as u64)
    )]
    Stack,
    /// It ended itself.
    #[error("it called exit({0}); a policy returns")]
    Exit(i32),
    /// It trapped.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It was stopped between two calls, when it was asked whether it may be replaced.
    #[error("asked for `may-recycle`: {0}")]
    MayRecycle(#[source] Box<Failure>),
}

impl Failure {
    /// Whether the instance can be called again.
    #[must_use]
    pub fn spares_instance(&self) -> bool {
        matches!(self, Self::Said(_) | Self::Unavailable(_) | Self::Rejected(_))
    }

    /// Whether the same call may end well a little later: a storage says so, or its time was over.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Deadline { .. })
    }

    /// Whether it is that of somebody for whom the guest waited.
    pub(crate) fn is_of_waiting(&self) -> bool {
        matches!(self, Self::Deadline { waited: true, .. })
    }

    /// What an error of the engine means; `starting` picks the limits of the start.
    pub(crate) fn of(error: &wasmtime::Error, limits: &Limits, limiter: &Limiter, starting: bool) -> Self {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return Self::Exit(exit.0);
        }
        if let Some(exceeded) = error.downcast_ref::<DeadlineExceeded>() {
            return Self::deadline(exceeded);
        }
        let trap = error.downcast_ref::<Trap>();
        match trap {
            Some(Trap::OutOfFuel) if starting => return Self::Fuel(limits.start_fuel, "start-fuel"),
            Some(Trap::OutOfFuel) => return Self::Fuel(limits.fuel, "fuel"),
            Some(Trap::StackOverflow) => return Self::Stack,
            _ => {}
        }
        let text = format!("{error:#}");
        let random = text.contains("requested len ") && text.contains(" exceeds limit ");
        if random || text.contains("fuel allocated for hostcalls has been exhausted") {
            return Self::Hostcall(bytes(limits.hostcall));
        }
        if text.contains("handle limit exceeded") {
            return Self::Handles(limits.handles);
        }
        if text.contains("resource limit exceeded") {
            return Self::Instances(limits.instances);
        }
        if limiter.denied() {
            return Self::Memory(bytes(limiter.ceiling()));
        }
        Self::Trap(trap_text(error, trap))
    }

    /// The same with what the guest itself wrote on one line and no longer than a line of its log.
    pub(crate) fn printable(self, limits: &Limits) -> Self {
        let longest = usize::try_from(limits.log_line).unwrap_or(usize::MAX);
        let cut = |text: String| printable(&text, longest);
        match self {
            Self::Said(text) => Self::Said(cut(text)),
            Self::Unavailable(text) => Self::Unavailable(cut(text)),
            Self::Rejected(text) => Self::Rejected(cut(text)),
            Self::Trap(text) => Self::Trap(cut(text)),
            other => other,
        }
    }

    pub(crate) fn deadline(exceeded: &DeadlineExceeded) -> Self {
        let allowed = exceeded.allowed;
        Self::Deadline { limit: format!("{:?}", allowed.limit), raised_by: allowed.name, waited: exceeded.waited }
    }
}

/// The innermost cause, and the function where it happened if the guest has names.
fn trap_text(error: &wasmtime::Error, trap: Option<&Trap>) -> String {
    let cause = trap.map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    let cause = cause.trim_start_matches("wasm trap: ").to_owned();
    let function = error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name().map(str::to_owned)));
    match function {
        Some(function) => format!("{cause} (in {function})"),
        None => cause,
    }
}
