//! `PrometheusStorage`: the last tick, for whoever asks for it by HTTP.
//!
//! A storage gathers what each tick brings it; an [`Endpoint`] answers with what was gathered last. The endpoint stays when its
//! storage is made anew, so that a reload closes no connection and leaves no moment without metrics.

mod access;
mod answer;
mod gather;
mod negotiate;
mod page;
mod server;
mod socket;
mod tls;

pub use access::{Access, AccessError, Credentials};
pub use gather::PrometheusStorage;
pub use server::{Endpoint, Site};
pub use socket::Listener;
pub use tls::{Tls, TlsError, TlsFile};
