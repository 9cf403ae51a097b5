//! The clients of this process. Each has threads, which must have ended before the process does: at its exit OpenSSL clears up
//! what they use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static CLIENTS: Clients = Clients::new();

/// Has all clients of this process end, and waits for them, for so long at most; whether they have. What they have not
/// delivered is not delivered any more.
#[must_use]
pub fn end(within: Duration) -> bool {
    CLIENTS.end(within)
}

/// Whether that is wanted.
pub(super) fn are_to_end() -> bool {
    CLIENTS.are_to_end.load(Ordering::Relaxed)
}

/// One more.
pub(super) fn begun() -> Alive {
    CLIENTS.begun()
}

/// How many clients there are.
struct Clients {
    alive: Mutex<usize>,
    fewer: Condvar,
    are_to_end: AtomicBool,
}

/// One of them, until it is dropped.
pub(super) struct Alive(&'static Clients);

impl Clients {
    const fn new() -> Self {
        Self { alive: Mutex::new(0), fewer: Condvar::new(), are_to_end: AtomicBool::new(false) }
    }

    fn begun(&'static self) -> Alive {
        *self.locked() += 1;
        Alive(self)
    }

    fn end(&self, within: Duration) -> bool {
        self.are_to_end.store(true, Ordering::Relaxed);
        let waited = self.fewer.wait_timeout_while(self.locked(), within, |alive| *alive > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn locked(&self) -> MutexGuard<'_, usize> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *self.0.locked() -= 1;
        self.0.fewer.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_end_waits_for_each_and_not_for_ever() {
        static SOME: Clients = Clients::new();
        let (first, second) = (SOME.begun(), SOME.begun());
        drop(first);
        let begun = Instant::now();
        assert!(!SOME.end(Duration::from_millis(50)) && begun.elapsed() >= Duration::from_millis(50));
        assert!(SOME.are_to_end.load(Ordering::Relaxed));
        let ending = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(second);
        });
        assert!(SOME.end(Duration::from_secs(30)) && begun.elapsed() < Duration::from_secs(10));
        ending.join().unwrap();
    }
}
