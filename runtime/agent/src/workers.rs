//! The threads that call guests. The tick has a thread of its own, so that none of these wakes where no guest is called.

use std::sync::OnceLock;

use tokio::runtime::{EnterGuard, Handle};
use tokio::task::JoinHandle;

static WORKERS: OnceLock<Handle> = OnceLock::new();

/// Has guests called on the threads of this runtime from now on. The first call counts.
pub(crate) fn set(workers: Handle) {
    // There is one agent in a process.
    let _ = WORKERS.set(workers);
}

/// As long as the guard is there, what this thread spawns runs on those threads; where there are none, in the runtime of the
/// caller, as in tests.
pub(crate) fn enter() -> Option<EnterGuard<'static>> {
    WORKERS.get().map(Handle::enter)
}

/// Runs it on those threads.
pub(crate) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let _workers = enter();
    tokio::spawn(work)
}

/// Runs it on those threads to its end; a panic goes on in the caller.
pub(crate) async fn run<F>(work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    match spawn(work).await {
        Ok(output) => output,
        // It is cancelled by nobody.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
