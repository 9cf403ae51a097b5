use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};

use super::*;
use crate::limits::Limits;
use crate::outgoing::tests::exchanges;

/// An address that does not answer: the queue of its listener is full, and stays so as long as this lives.
struct Silent {
    address: SocketAddr,
    _listener: OwnedFd,
    _queue: Vec<std::net::TcpStream>,
}

impl Silent {
    fn new() -> Self {
        let listener = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let connected = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue = std::iter::from_fn(connected).collect();
        Self { address, _listener: listener, _queue: queue }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_address_that_does_not_answer_keeps_no_other_waiting() {
    let (silent, listener) = (Silent::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let answers = listener.local_addr().unwrap();
    let connecting = |addresses: Vec<SocketAddr>| async move {
        timeout(Duration::from_secs(10), first_that_answers(&addresses))
            .await
            .map(|done| done.map(|stream| stream.peer_addr().unwrap()))
    };
    let found = connecting(vec![silent.address, silent.address, answers]).await.unwrap().unwrap();
    assert_eq!(found, answers);
    // One that refuses is not waited for.
    let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(connecting(vec![refuses, answers]).await.unwrap().unwrap(), answers);
    let told = connecting(vec![refuses, refuses]).await.unwrap().unwrap_err();
    assert!(matches!(told, Error::ConnectionRefused), "{told:?}");
}

#[test]
fn addresses_of_both_kinds_have_their_turns() {
    let mixed = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "10.0.0.1:1"].map(address);
    let expected = ["[2001:db8::1]:1", "10.0.0.1:1", "[2001:db8::2]:1", "[2001:db8::3]:1"].map(address);
    assert_eq!(in_turns(&mixed), expected);
}

#[test]
fn a_name_that_leads_also_where_it_may_not_is_said_and_counted_once() {
    let (exchanges, kept) = exchanges(&["http://a.example:80"], &Limits::default());
    let origin: Origin = "http://a.example:80".parse().unwrap();
    let found = |addresses: &[&str]| -> Vec<Found> {
        addresses.iter().map(|text| Found { address: address(text), is_own: false }).collect()
    };
    let both = allowed(&origin, &found(&["127.0.0.1:80", "10.1.2.3:80", "169.254.169.254:80"]), &exchanges).unwrap();
    assert_eq!(both, [address("10.1.2.3:80")]);
    let none = allowed(&origin, &found(&["[fe80::1]:80"]), &exchanges).unwrap_err();
    assert!(matches!(none, Error::DestinationIpProhibited), "{none:?}");
    allowed(&origin, &found(&["10.1.2.3:80"]), &exchanges).unwrap();
    assert_eq!(exchanges.outgoing.stops.counts(), BTreeMap::from([(HttpStop::Address, 2)]));
    let expected = [
        "a request to http://a.example:80 goes elsewhere: its name also leads to 127.0.0.1, which is a loopback address; \
         --allow-http http://127.0.0.1:80 besides would grant it",
        "a request to http://a.example:80 was refused: its name leads to fe80::1, which is a link-local address",
    ];
    assert_eq!(kept.texts(), expected);
}
