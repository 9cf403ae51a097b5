//! A server that speaks the protocol and answers as a test wants.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::protocol::Request;

/// A request, and what the server answered.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Method and path.
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) request: Request,
    /// The status.
    pub(super) answered: u16,
}

/// What a server heard, in its order.
#[derive(Clone, Default)]
pub(super) struct Server {
    pub(super) origin: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Server {
    /// That answers with the status that this says of a batch and of the number of its request, counted over all tries, both from 0,
    /// and after that while.
    pub(super) fn start(answer: impl Fn(usize, usize) -> (u16, Duration) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { origin, ..Self::default() };
        let (heard, answer) = (Arc::clone(&server.heard), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream.unwrap(), &heard, &*answer));
            }
        });
        server
    }

    /// All that it has answered, each batch's together, in the order of their times.
    pub(super) fn batches(&self) -> Vec<Vec<Heard>> {
        let mut batches: BTreeMap<i64, Vec<Heard>> = BTreeMap::new();
        for heard in self.heard.lock().unwrap().iter() {
            batches.entry(heard.request.time()).or_default().push(heard.clone());
        }
        batches.into_values().collect()
    }
}

fn serve(stream: &TcpStream, heard: &Mutex<Vec<Heard>>, answer: &dyn Fn(usize, usize) -> (u16, Duration)) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        // Who hangs up before the end has run out of time.
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines[1..].iter().filter_map(header).collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let request = Request::read(&body);
    let (status, after) = {
        let mut heard = heard.lock().unwrap();
        let time = request.time();
        let before = heard.iter().filter(|heard| heard.request.time() == time).count();
        let times: std::collections::BTreeSet<i64> = heard.iter().map(|heard| heard.request.time()).collect();
        let (status, after) = answer(times.range(..time).count(), before);
        heard.push(Heard { line: lines[0].clone(), headers, request, answered: status });
        (status, after)
    };
    std::thread::sleep(after);
    let more = if (300..400).contains(&status) { "location: http://127.0.0.1:1/\r\n" } else { "" };
    let length = if status == 204 { "" } else { "content-length: 0\r\n" };
    let text = format!("HTTP/1.1 {status} Said\r\n{more}{length}connection: close\r\n\r\n");
    // Who has run out of time hears nothing.
    let _ = (&mut &*stream).write_all(text.as_bytes());
}
