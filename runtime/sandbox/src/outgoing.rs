//! Outgoing HTTP of guests: to granted origins alone, to addresses that were looked at, within the time of a call.

mod address;
mod answer;
mod connect;
mod exchanges;
mod lookups;
mod own;
mod send;
mod stops;
#[cfg(test)]
mod tests;
mod tls;
mod upload;

use std::sync::Arc;

use http::{Request, Response};
use rustls::ClientConfig;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::p2::types::HostFutureIncomingResponse;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::grants::{Grants, Origin};
use lookups::Lookups;

pub(crate) use exchanges::{CallEnd, Exchanges};
pub use stops::{HttpStop, HttpStops};

/// An answer, and the work that goes on while its body is read.
type Exchanged = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

type Exchanging = Box<dyn Future<Output = Result<Exchanged, Error>> + Send>;

/// What is kept of one policy's HTTP beyond its instances.
pub(crate) struct Outgoing {
    granted: Box<[Origin]>,
    pub(crate) stops: Arc<HttpStops>,
    lookups: Lookups,
    /// None where the program has no means for TLS.
    tls: Option<Arc<ClientConfig>>,
}

impl Outgoing {
    pub(crate) fn new(grants: &Grants) -> Self {
        let granted = grants.http.as_slice().into();
        Self { granted, stops: Arc::default(), lookups: Lookups::default(), tls: tls::trusting_as_browsers() }
    }
}

/// Lets requests go to granted origins only. Redirects are not followed: a guest that follows one itself asks again here.
pub(crate) struct GrantedHttp(Arc<Exchanges>);

impl GrantedHttp {
    pub(crate) fn new(exchanges: Arc<Exchanges>) -> Self {
        Self(exchanges)
    }

    /// Ends a call: what is still under way is closed, and counted where the guest still waits for it.
    pub(crate) fn end(&self, how: CallEnd, table: &mut ResourceTable) {
        let awaited = |entry: &&mut (dyn std::any::Any + Send)| {
            matches!(entry.downcast_ref(), Some(HostFutureIncomingResponse::Pending(_)))
        };
        self.0.end(how, table.iter_mut().filter(awaited).count());
    }

    /// The origin of a request, where it is granted.
    fn judged(&self, request: &Request<WasiBody>) -> Option<Origin> {
        let granted = &self.0.outgoing.granted;
        let list = || granted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let text = match Origin::judged(request.uri()) {
            Ok(asked) if granted.contains(&asked) => return Some(asked),
            Ok(asked) => {
                format!("a request to {asked} was refused: granted are {}; --allow-http {asked} would grant it", list())
            }
            // What else stands in it can be a secret.
            Err(why) => {
                let (scheme, host) = (request.uri().scheme_str(), request.uri().host());
                let (scheme, host) = (scheme.unwrap_or_default(), host.unwrap_or_default());
                format!("a request to {scheme}://{host} was refused: {why}; granted are {}", list())
            }
        };
        self.0.stop(HttpStop::Origin, &text);
        None
    }
}

impl Drop for GrantedHttp {
    /// Before the rest of the instance goes: a request whose body goes with it must not look whole.
    fn drop(&mut self) {
        self.0.close();
    }
}

impl WasiHttpHooks for GrantedHttp {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Exchanging {
        let refused = |why| -> Exchanging { Box::new(std::future::ready(Err(why))) };
        let Some(origin) = self.judged(&request) else { return refused(Error::HttpRequestDenied) };
        let Some(exchange) = self.0.begin(&origin) else { return refused(Error::ConnectionLimitReached) };
        Box::new(send::send(origin, request, options.unwrap_or_default(), exchange))
    }
}
