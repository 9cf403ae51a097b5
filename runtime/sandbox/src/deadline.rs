//! Wall-clock time of a call.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak, Store, UpdateDeadline};

use crate::engine::EPOCH;
use crate::state::State;

/// What a call may take, and by which limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// What is left for this call.
    pub(crate) time: Duration,
    /// The limit as it was set.
    pub(crate) limit: Duration,
    /// Its name.
    pub(crate) name: &'static str,
}

impl Allowed {
    /// A call that is not the first.
    pub(crate) fn call(limit: Duration) -> Self {
        Self { time: limit, limit, name: "deadline" }
    }

    /// A start of which this much is left.
    pub(crate) fn start(limit: Duration, time: Duration) -> Self {
        Self { time, limit, name: "start-deadline" }
    }
}

/// The guest ran longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("ran longer than {:?}", .allowed.limit)]
pub(crate) struct DeadlineExceeded {
    /// What it was allowed.
    pub(crate) allowed: Allowed,
    /// Whether most of that went into waiting in the host, as for a server.
    pub(crate) waited: bool,
}

/// Lets the guest yield at every epoch, so that it shares its worker thread, and traps it after its deadline.
pub(crate) fn watch(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        if let Some(exceeded) = context.data().meter.exceeded() {
            return Err(exceeded.into());
        }
        context.data().meter.give_way();
        Ok(UpdateDeadline::Yield(1))
    });
}

/// The thread that lets epochs pass, while any guest runs. It ends with the last engine.
pub(crate) struct EpochClock {
    running: Arc<(Mutex<Running>, Condvar)>,
}

#[derive(Default)]
struct Running {
    guests: usize,
    ended: bool,
}

/// As long as it lives, epochs pass.
pub(crate) struct Ticking(Arc<(Mutex<Running>, Condvar)>);

impl EpochClock {
    pub(crate) fn start(engine: &Engine) -> Self {
        let running = Arc::<(Mutex<Running>, Condvar)>::default();
        let (engine, shared) = (engine.weak(), Arc::clone(&running));
        std::thread::spawn(move || let_epochs_pass(&engine, &shared));
        Self { running }
    }

    pub(crate) fn tick(&self) -> Ticking {
        change(&self.running, |running| running.guests += 1);
        Ticking(Arc::clone(&self.running))
    }
}

fn let_epochs_pass(engine: &EngineWeak, shared: &(Mutex<Running>, Condvar)) {
    loop {
        let running = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = shared.1.wait_while(running, |running| running.guests == 0 && !running.ended);
        if waited.unwrap_or_else(PoisonError::into_inner).ended {
            return;
        }
        std::thread::sleep(EPOCH);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

fn change(running: &(Mutex<Running>, Condvar), change: impl FnOnce(&mut Running)) {
    change(&mut running.0.lock().unwrap_or_else(PoisonError::into_inner));
    running.1.notify_all();
}

impl Drop for Ticking {
    fn drop(&mut self) {
        change(&self.0, |running| running.guests -= 1);
    }
}

impl Drop for EpochClock {
    fn drop(&mut self) {
        change(&self.running, |running| running.ended = true);
    }
}
