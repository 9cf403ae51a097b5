//! Somebody who asks for metrics by HTTP.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use flate2::read::GzDecoder;

use crate::text::{Line, lines};

/// An address of this machine at which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as text, unpacked where it is packed.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match self.header("content-encoding") {
            "gzip" => GzDecoder::new(&*self.body).read_to_string(&mut text).unwrap(),
            _ => (&*self.body).read_to_string(&mut text).unwrap(),
        };
        text
    }

    /// The samples in it.
    pub(crate) fn lines(&self) -> Vec<Line> {
        lines(&self.text())
    }
}

/// Asks on a connection that stays; `headers` are lines.
pub(crate) fn ask(stream: &mut (impl Read + Write), path: &str, headers: &[&str]) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: wca\r\n{headers}\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("{first:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("transfer-encoding").is_empty() {
        answer.body.resize(answer.header("content-length").parse().unwrap_or_else(|_| panic!("{answer:?}")), 0);
        reader.read_exact(&mut answer.body).unwrap();
        return answer;
    }
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).unwrap();
        answer.body.extend(&chunk[..size]);
        if size == 0 {
            return answer;
        }
    }
}

/// Asks on a connection of its own, which waits until it is answered.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    ask(&mut TcpStream::connect(address).unwrap(), path, headers)
}
