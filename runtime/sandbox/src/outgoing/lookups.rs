//! Names on their way to addresses.
//!
//! A thread waits for each lookup, and goes on where nobody waits for it any more: what bounds a policy here is held until
//! the thread is done, so that one that asks and gives up in a loop keeps no other waiting.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::own::Own;
use crate::grants::Origin;

/// Names of one policy that are looked up at once.
pub(super) const AT_ONCE: usize = 2;
/// How long a request waits for its turn among those of its policy.
const PATIENCE: Duration = Duration::from_millis(500);
/// Names of all policies that are looked up at once.
static OF_ALL: Semaphore = Semaphore::const_new(32);

/// An address to which a name leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) address: SocketAddr,
    /// It is one of this machine.
    pub(super) is_own: bool,
}

/// Why there are no addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// As many lookups of the policy as may be are under way, and none has ended in time.
    #[error("{} names are being looked up for this component already, and no answer comes", AT_ONCE)]
    TooMany,
    /// The resolver has none.
    #[error(transparent)]
    Failed(io::Error),
}

/// The lookups of one policy.
pub(super) struct Lookups {
    turns: Arc<Semaphore>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Lookups {
    /// The addresses to which the name of an origin leads.
    pub(super) async fn look_up(&self, origin: &Origin) -> Result<Vec<Found>, LookupError> {
        let name = (origin.host().to_owned(), origin.port());
        self.run(move || {
            let addresses = name.to_socket_addrs()?;
            let own = Own::read();
            Ok(addresses.map(|address| Found { address, is_own: own.has(address.ip()) }).collect())
        })
        .await
    }

    /// Does this on a thread, when it is this policy's turn.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, LookupError> {
        // A turn is refused only where turns have ended, which they never do.
        let over = |error| LookupError::Failed(io::Error::other(error));
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = timeout(PATIENCE, turn).await.map_err(|_| LookupError::TooMany)?.map_err(over)?;
        let turn_of_all = OF_ALL.acquire().await.map_err(over)?;
        let lookup = tokio::task::spawn_blocking(move || {
            let _turns = (turn, turn_of_all);
            work()
        });
        lookup.await.map_err(io::Error::other).flatten().map_err(LookupError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Begins a lookup that is not answered before the answer to this is dropped, and gives it up.
    async fn begin_and_give_up(lookups: &Arc<Lookups>) -> mpsc::Sender<()> {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (silent, answer) = mpsc::channel::<()>();
        let lookups = Arc::clone(lookups);
        let asking = tokio::spawn(async move {
            let silence = move || {
                begun.send(()).unwrap();
                let _ = answer.recv();
                Ok(())
            };
            lookups.run(silence).await.unwrap();
        });
        has_begun.await.unwrap();
        asking.abort();
        silent
    }

    #[tokio::test]
    async fn lookups_that_were_given_up_cost_turns_of_their_policy_alone() {
        let (policy, other) = (Arc::new(Lookups::default()), Lookups::default());
        let mut silent = vec![begin_and_give_up(&policy).await, begin_and_give_up(&policy).await];
        assert!(matches!(policy.run(|| Ok(())).await, Err(LookupError::TooMany)));
        other.run(|| Ok(())).await.unwrap();
        silent.pop();
        // It gets the turn as soon as the thread is done.
        policy.run(|| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn lookups_that_are_answered_wait_for_each_other() {
        let lookups = Arc::new(Lookups::default());
        let ask = |number: u64| {
            let lookups = Arc::clone(&lookups);
            tokio::spawn(async move { lookups.run(move || Ok(number)).await.unwrap() })
        };
        let asked: Vec<_> = (0..20).map(ask).collect();
        for (number, asked) in (0..).zip(asked) {
            assert_eq!(asked.await.unwrap(), number);
        }
    }

    #[tokio::test]
    async fn a_name_leads_to_addresses() {
        let found = Lookups::default().look_up(&"http://127.1:81".parse().unwrap()).await.unwrap();
        assert_eq!(found.iter().map(|found| found.address).collect::<Vec<_>>(), ["127.0.0.1:81".parse().unwrap()]);
        let nowhere = Lookups::default().look_up(&"http://nowhere.invalid:81".parse().unwrap()).await;
        assert!(matches!(nowhere, Err(LookupError::Failed(_))));
    }
}
