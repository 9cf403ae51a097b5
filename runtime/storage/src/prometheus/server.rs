//! Connections: how many there may be, and how long each may take.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use wca_model::Lane;

use super::access::Access;
use super::answer::{answer, refusal};
use super::gather::PrometheusStorage;
use super::page::Pages;
use super::socket::{Listener, Socket};
use super::tls::Tls;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections at a time; further ones wait in the kernel's queue until one of these ends.
    connections: usize,
    /// Within this time a new connection must have sent its first request, that of TLS before it included.
    first: Duration,
    /// Within this time, counted from each request of somebody who may read, its answer must be taken and the next one there.
    next: Duration,
    /// After this time the answer that is under way is the last one, so that the next one's turn comes.
    whole: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 32,
    first: Duration::from_secs(10),
    next: Duration::from_secs(30),
    whole: Duration::from_secs(300),
};

/// Most bytes of the head of a request.
const HEAD: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// Wait after connections cannot be taken, as where this process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// What is served, and to whom.
#[derive(Clone)]
pub struct Site {
    /// The path of the metrics, which begins with a slash.
    pub path: String,
    /// The certificate; none: without TLS.
    pub tls: Option<Tls>,
    /// Who may read.
    pub access: Access,
}

/// A socket that is served until this is dropped.
pub struct Endpoint {
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    bounds: Bounds,
    site: Mutex<Arc<Site>>,
    pages: Arc<Pages>,
}

impl Shared {
    fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Endpoint {
    /// Serves the site there, in the runtime of the caller. `name` is for messages.
    #[must_use]
    pub fn new(name: &str, listener: Listener, site: Site) -> Self {
        Self::within(BOUNDS, name, listener, site)
    }

    fn within(bounds: Bounds, name: &str, listener: Listener, site: Site) -> Self {
        let shared = Arc::new(Shared { bounds, site: Mutex::new(Arc::new(site)), pages: Arc::default() });
        let serving = tokio::spawn(serve(name.to_owned(), listener, Arc::clone(&shared))).abort_handle();
        Self { shared, serving }
    }

    /// Serves this site from now on; who is connected by TLS stays so with the certificate that was shown.
    pub fn renew(&self, site: Site) {
        *self.shared.site.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(site);
    }

    /// A storage that shows here what it is given; `lanes` are those by which batches come to it.
    #[must_use]
    pub fn storage(&self, lanes: BTreeSet<Lane>) -> PrometheusStorage {
        PrometheusStorage::new(Arc::clone(&self.shared.pages), lanes)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(name: String, listener: Listener, shared: Arc<Shared>) {
    let free = Arc::new(Semaphore::new(shared.bounds.connections));
    // They end with this task.
    let mut connections = JoinSet::new();
    let mut fails = false;
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, peer)) => {
                fails = false;
                let (name, shared) = (name.clone(), Arc::clone(&shared));
                connections.spawn(async move {
                    connect(socket, &shared, || match peer {
                        Some(peer) => format!("{name}: {peer}"),
                        None => name.clone(),
                    })
                    .await;
                    drop(permit);
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut fails, true) {
                    tracing::error!("{name}: connections cannot be taken: {error}");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection to its end.
async fn connect(socket: Socket, shared: &Shared, who: impl Fn() -> String) {
    let first = shared.bounds.first;
    let by = Instant::now() + first;
    let Some(Tls { acceptor }) = shared.site().tls.clone() else {
        return converse(socket, shared, by, who).await;
    };
    match tokio::time::timeout_at(by, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => converse(stream, shared, by, who).await,
        Ok(Err(error)) => tracing::debug!("{}: no connection by TLS: {error}", who()),
        Err(_) => tracing::debug!("{}: no connection by TLS within {first:?}", who()),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    first: Instant,
    who: impl Fn() -> String,
) {
    let (extend, by) = watch::channel(first);
    let Bounds { next, whole, .. } = shared.bounds;
    let service = service_fn(async |request| {
        // Whatever changes meanwhile, this answer is of one site.
        let site = shared.site();
        if let Some(refusal) = refusal(&site, &request) {
            return Ok::<_, Infallible>(refusal);
        }
        extend.send_replace(Instant::now() + next);
        Ok(answer(&site, &shared.pages, &request).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(next)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let ending = async {
        let mut connection = pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended,
            () = tokio::time::sleep(whole) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    tokio::select! {
        ended = ending => {
            if let Err(error) = ended {
                tracing::debug!("{}: {error}", who());
            }
        }
        () = passed(by) => tracing::debug!("{}: closed, since it is too slow", who()),
    }
}

/// Waits until the moment has passed, which may be put off meanwhile.
async fn passed(mut by: watch::Receiver<Instant>) {
    loop {
        let until = *by.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            changed = by.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

#[cfg(test)]
mod tests;
