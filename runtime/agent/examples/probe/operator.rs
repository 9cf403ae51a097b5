//! An operator, who may be somebody else.

use std::process::ExitCode;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use serde_json::json;
use wca_messages::{Channel, OperatorReply, OperatorRequest, ReceiveError};

use crate::say;

pub(crate) fn run(path: &str) -> ExitCode {
    let own = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).expect("a socket");
    connect(&own, &SocketAddrUnix::new(path).expect("a path")).expect("connecting");
    let channel = Channel::<OperatorRequest, OperatorReply>::new(own);
    // The connection may be closed before this is sent.
    let _ = channel.send(1, &OperatorRequest::Journal, &[]);
    match channel.receive() {
        Ok(reply) => say(&json!(format!("{:?}", reply.message))),
        Err(ReceiveError::Closed) => say(&json!("closed")),
        Err(other) => say(&json!(other.to_string())),
    }
    ExitCode::SUCCESS
}
