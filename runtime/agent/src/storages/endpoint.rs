//! Ways to who asks by HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;

use wca_config::ListenAddress;
use wca_messages::{Reply, Request};
use wca_model::{DeliveryTerms, Lane};
use wca_storage::Delivery;
use wca_storage::prometheus::{Endpoint, Listener, Site};

use crate::client::{Client, ClientError};
use crate::workers;

fn name_of_endpoint(address: &ListenAddress) -> String {
    format!("PrometheusStorage({address})")
}

/// Serves a site at this address, by the socket that the warden has under this number.
pub(crate) async fn endpoint(
    address: &ListenAddress,
    listener: u32,
    site: Site,
    client: &Client,
) -> Result<Endpoint, ClientError> {
    let answer = client.ask(&Request::Listen { listener }).await?;
    let (Reply::Listening, Some(socket)) = (answer.reply, answer.descriptors.into_iter().next()) else {
        return Err(ClientError::Unexpected);
    };
    let _workers = workers::enter();
    let listener = match address {
        ListenAddress::Tcp(_) => Listener::tcp(socket),
        ListenAddress::Unix(_) => Listener::unix(socket),
    };
    Ok(Endpoint::new(&name_of_endpoint(address), listener.map_err(ClientError::Socket)?, site))
}

/// A way to an endpoint. What was counted of the one at the same address among those `before` goes on.
pub(crate) fn prometheus(
    address: &ListenAddress,
    endpoint: &Endpoint,
    lanes: BTreeSet<Lane>,
    before: &[Arc<Delivery>],
) -> Delivery {
    let name = name_of_endpoint(address);
    // It takes everything, at once.
    let terms = DeliveryTerms::default();
    match before.iter().find(|before| before.name() == name) {
        Some(before) => Delivery::after(before, terms, endpoint.storage(lanes)),
        None => Delivery::new(&name, terms, endpoint.storage(lanes)),
    }
}
