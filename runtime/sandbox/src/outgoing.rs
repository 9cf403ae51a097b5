//! Outgoing HTTP of guests: to granted origins alone, to addresses that were looked at, within the time of a call.

mod address;
mod answer;
mod connect;
mod exchanges;
mod send;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Request, Response};
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::p2::types::HostFutureIncomingResponse;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::grants::{Grants, Origin};

pub use exchanges::HttpStop;
pub(crate) use exchanges::{CallEnd, Exchanges};

/// An answer, and the work that goes on while its body is read.
type Exchanged = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

type Exchanging = Box<dyn Future<Output = Result<Exchanged, Error>> + Send>;

/// Lets requests go to granted origins only. Redirects are not followed: a guest that follows one itself asks again here.
pub(crate) struct GrantedHttp {
    granted: Arc<[Origin]>,
    exchanges: Arc<Exchanges>,
}

impl GrantedHttp {
    pub(crate) fn new(grants: &Grants, exchanges: Arc<Exchanges>) -> Self {
        Self { granted: grants.http.as_slice().into(), exchanges }
    }

    /// Ends a call: what is still under way is closed. Says how often what was stopped.
    pub(crate) fn end(&self, how: CallEnd, table: &mut ResourceTable) -> BTreeMap<HttpStop, u64> {
        let awaited = |entry: &&mut (dyn std::any::Any + Send)| {
            matches!(entry.downcast_ref(), Some(HostFutureIncomingResponse::Pending(_)))
        };
        self.exchanges.end(how, table.iter_mut().filter(awaited).count())
    }

    fn refuse(&self, request: &Request<WasiBody>) {
        let granted: Vec<String> = self.granted.iter().map(ToString::to_string).collect();
        let uri = request.uri();
        let asked = Origin::of(uri).map_or_else(|| uri.to_string(), |origin| origin.to_string());
        let text = format!(
            "a request to {asked} was refused: granted are {}; --allow-http {asked} would grant it",
            granted.join(", ")
        );
        self.exchanges.stop(HttpStop::Origin, &text);
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
        let Some(origin) = Origin::of(request.uri()).filter(|origin| self.granted.contains(origin)) else {
            self.refuse(&request);
            return refused(Error::HttpRequestDenied);
        };
        let Some(exchange) = self.exchanges.begin(&origin) else { return refused(Error::ConnectionLimitReached) };
        let granted = Arc::clone(&self.granted);
        Box::new(send::send(origin, granted, request, options.unwrap_or_default(), exchange))
    }
}
