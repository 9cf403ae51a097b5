//! A broker at the end of a slow and narrow line.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::broker::{Broker, shared};
use super::large;
use super::read::{messages, samples};
use crate::setup::Setup;

/// How long an answer is on its way: what a new connection needs of them takes longer than a message may.
const LATE: Duration = Duration::from_millis(350);
/// Bytes a second towards the broker: a tick takes longer than a message may, and a message does not.
const RATE: u64 = 700_000;

/// Stands between clients and the listener `behind`, where they are told that `far` is. Its threads end with the tests.
fn line(broker: &Broker) {
    let listener = TcpListener::bind(broker.address("far")).unwrap();
    let behind = broker.address("behind").to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(broker)) = (client, TcpStream::connect(&behind)) else { continue };
            let (to_client, to_broker) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
            thread::spawn(move || carry(client, to_broker, |bytes| Duration::from_micros(bytes * 1_000_000 / RATE)));
            thread::spawn(move || carry(broker, to_client, |_| LATE));
        }
    });
}

/// Carries what comes from one to the other, each piece after that time, until one of them closes.
fn carry(mut from: TcpStream, mut to: TcpStream, time: impl Fn(u64) -> Duration) {
    let mut piece = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        thread::sleep(time(length as u64));
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    // The other direction ends too; who has gone already is not told.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn what_takes_long_in_all_and_not_for_a_message_is_delivered() {
    let Some(broker) = shared() else { return };
    line(broker);
    let file =
        large(broker.address("far"), "far", "").replace("max_timeout_in_seconds: 5", "max_timeout_in_seconds: 1");
    let setup = Setup::with(&file.replace("action_delay: 0.1", "action_delay: 5"));
    let finished = setup.run(&["--iterations", "2"]);
    finished.ends_with(0);
    assert!(!finished.stderr.contains("uncertain") && !finished.stderr.contains("are lost"), "{}", finished.stderr);
    let found: Vec<_> =
        messages(broker.address("plaintext"), "far").iter().flat_map(|message| samples(message)).collect();
    let went_in = setup.read("metrics.prom");
    assert!(went_in.len() as u64 > RATE, "{} bytes", went_in.len());
    assert_eq!(found, samples(&went_in));
}
