//! Guests that ask servers, as they should and as they should not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rstest::rstest;
use wca_model::Batch;
use wca_model::batch::LabelSets;
use wca_sandbox::{Grants, HttpStop};

use crate::host::{Host, guest, runtime, snapshot};

/// A server that answers each request after a while; none: it never does.
fn server(after: Option<Duration>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            match after {
                Some(after) => {
                    let _ = stream.read(&mut [0; 4096]).unwrap();
                    std::thread::sleep(after);
                    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
                }
                None => silent.push(stream),
            }
        }
    });
    origin
}

/// How a runner ended that asks there, and what was stopped of its requests.
fn ran(url: &str, granted: &str, limits: &[(&str, &str)]) -> (Result<(), String>, Vec<(HttpStop, u64)>) {
    let mut host = Host::with(limits);
    host.grants = Grants { http: vec![granted.parse().unwrap()] };
    let mut policy = host.policy(&guest("patient"), &format!("url: {url}")).unwrap();
    let stops = policy.http_stops();
    let ended = runtime().block_on(policy.run(None)).map_err(|failure| failure.to_string());
    (ended, stops.counts().into_iter().collect())
}

#[rstest]
#[case(("deadline", "300ms"), "it ran longer than 300ms (--limit deadline raises it)")]
#[case(("start-deadline", "1s"), "it ran longer than 1s (--limit start-deadline raises it)")]
fn a_server_that_never_answers_does_not_keep_a_runner(#[case] limit: (&str, &str), #[case] expected: &str) {
    let plain = server(None);
    // It takes the connection, and never speaks TLS.
    let by_tls = plain.replace("http:", "https:");
    for origin in [plain, by_tls] {
        let begun = Instant::now();
        let expected = (Err(expected.to_owned()), vec![(HttpStop::Time, 1)]);
        assert_eq!(ran(&origin, &origin, &[limit]), expected, "{origin}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_server_that_answers_in_time_is_waited_for() {
    let origin = server(Some(Duration::from_millis(200)));
    assert_eq!(ran(&origin, &origin, &[("deadline", "30s")]), (Ok(()), vec![]));
}

#[test]
fn what_is_refused_of_a_runner_is_counted() {
    let (granted, other) = (server(None), server(None));
    let (ended, stopped) = ran(&other, &granted, &[("deadline", "30s")]);
    assert_eq!(ended, Err("it reported: the request was denied".to_owned()));
    assert_eq!(stopped, [(HttpStop::Origin, 1)]);
}

/// A server that answers each request with a head and a body without end, or of so many bytes.
fn talker(length: Option<usize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]).unwrap();
                let said = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
                let head = format!("HTTP/1.1 200 OK\r\n{said}connection: close\r\n\r\n");
                // Whoever hangs up has had enough.
                let mut left = length.unwrap_or(usize::MAX);
                let mut part = head.into_bytes();
                while stream.write_all(&part).is_ok() && left > 0 {
                    part = vec![b'x'; left.min(64 << 10)];
                    left -= part.len();
                }
            });
        }
    });
    origin
}

/// A server that says where to ask instead.
fn redirecting(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}/\r\ncontent-length: 0\r\n\r\n");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    origin
}

/// What came of so many calls of a storage that was told to do this.
struct Misused {
    results: Vec<Result<(), String>>,
    stopped: Vec<(HttpStop, u64)>,
    lines: Vec<String>,
}

fn misused(act: &str, url: &str, granted: &[&str], limits: &[(&str, &str)], calls: u64) -> Misused {
    let mut host = Host::with(limits);
    host.grants = Grants { http: granted.iter().map(|origin| origin.parse().unwrap()).collect() };
    let mut policy = host.policy(&guest("http-misuser"), &format!("{{act: {act}, url: '{url}/'}}")).unwrap();
    let mut results = Vec::new();
    for tick in 0..calls {
        let batch = Batch::new(snapshot(tick, &[]), Arc::new(LabelSets::none()), Vec::new(), &[]);
        let called = runtime().block_on(policy.store(batch, policy.deadline_at(Duration::from_secs(1))));
        results.push(called.result.map_err(|failure| failure.to_string()));
    }
    Misused { results, stopped: policy.http_stops().counts().into_iter().collect(), lines: host.log.texts() }
}

impl Misused {
    fn says(&self, text: &str) {
        assert!(self.lines.iter().any(|line| line.contains(text)), "{text}: {:#?}", self.lines);
    }
}

const PATIENT: (&str, &str) = ("deadline", "60s");
/// The first call of an instance has at least what is left of its start.
const IMPATIENT: [(&str, &str); 2] = [("deadline", "2s"), ("start-deadline", "2s")];
const OUT_OF_TIME: &str = "it ran longer than 2s (--limit deadline raises it)";

#[test]
fn an_answer_is_read_and_a_long_one_is_cut_off() {
    for (length, limit, is_taken) in
        [(0, "1", true), (300_000, "300000", true), (300_001, "300000", false), (5_000_000, "1Mi", false)]
    {
        let origin = talker(Some(length));
        let misused = misused("read", &origin, &[&origin], &[PATIENT, ("http-answer", limit)], 1);
        if is_taken {
            assert_eq!(misused.results, [Ok(())]);
            assert_eq!(misused.stopped, []);
            misused.says(&format!("read {length} bytes"));
            continue;
        }
        let told = misused.results[0].as_ref().unwrap_err();
        assert!(told.contains("HTTP response body size exceeds limit"), "{told}");
        assert_eq!(misused.stopped, [(HttpStop::Size, 1)]);
        misused.says(&format!("a request to {origin} was cut off: its answer is longer than "));
    }
}

#[test]
fn a_server_that_falls_silent_is_waited_for_as_long_as_the_call_may_take() {
    let silent_in_body = answering_in_part();
    for (origin, kind) in [(server(None), "no answer"), (silent_in_body, "half an answer")] {
        let misused = misused("read", &origin, &[&origin], &IMPATIENT, 1);
        assert_eq!(misused.results, [Err(OUT_OF_TIME.to_owned())], "{kind}");
        assert_eq!(misused.stopped, [(HttpStop::Time, 1)], "{kind}");
        misused.says(&format!("a request to {origin} was cut off: its answer was not there as a whole"));
    }
}

/// A server that says a half and no more.
fn answering_in_part() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").unwrap();
            silent.push(stream);
        }
    });
    origin
}

#[test]
fn a_guest_that_sleeps_is_stopped() {
    let origin = server(None);
    let misused = misused("sleep", &origin, &[&origin], &[&IMPATIENT[..], &[("start-fuel", "1e12")]].concat(), 1);
    assert_eq!(misused.results, [Err(OUT_OF_TIME.to_owned())]);
    assert_eq!(misused.stopped, []);
}

#[test]
fn what_is_not_read_is_over_with_its_call() {
    let origin = talker(None);
    // More calls than there may be requests at once.
    let misused = misused("hoard", &origin, &[&origin], &[PATIENT, ("http-requests", "2")], 5);
    assert_eq!(misused.results, vec![Ok(()); 5]);
    assert_eq!(misused.stopped, [(HttpStop::Unread, 5)]);
    misused.says(&format!("a request to {origin} was cut off: its answer was not read when the call was over"));
    // What was kept does not look as if it were whole.
    let kept: Vec<&String> = misused.lines.iter().filter(|line| line.starts_with("Err(")).collect();
    assert!(kept.len() == 4 && kept.iter().all(|line| line.contains("connection terminated")), "{:#?}", misused.lines);
}

#[test]
fn requests_at_once_have_a_ceiling_and_those_that_are_not_waited_for_are_over_with_their_call() {
    let origin = server(None);
    let misused = misused("flood", &origin, &[&origin], &[PATIENT], 2);
    assert_eq!(misused.results, vec![Ok(()); 2]);
    assert_eq!(misused.stopped, [(HttpStop::TooMany, 24), (HttpStop::Unread, 16)]);
    misused.says("8 are under way (--limit http-requests raises it)");
    misused.says("7 more requests were refused or cut off (reason `too-many`)");
    misused.says("3 more requests were refused or cut off (reason `unread`)");
}

#[test]
fn a_guest_that_gives_up_by_itself_is_not_told_of() {
    let origin = server(None);
    let misused = misused("give-up", &origin, &[&origin], &[PATIENT], 3);
    assert_eq!(misused.results, vec![Ok(()); 3]);
    assert_eq!(misused.stopped, []);
}

#[test]
fn a_redirect_leads_to_granted_origins_alone() {
    let elsewhere = talker(Some(7));
    let origin = redirecting(&elsewhere);
    let away = misused("follow", &origin, &[&origin], &[PATIENT], 1);
    let told = away.results[0].as_ref().unwrap_err();
    assert!(told.ends_with("HttpRequestDenied"), "{told}");
    assert_eq!(away.stopped, [(HttpStop::Origin, 1)]);
    away.says(&format!("307 to {elsewhere}/"));
    away.says(&format!(
        "a request to {elsewhere} was refused: granted are {origin}; --allow-http {elsewhere} would grant it"
    ));
    let granted = misused("follow", &origin, &[&origin, &elsewhere], &[PATIENT], 1);
    assert_eq!((granted.results, granted.stopped), (vec![Ok(())], vec![]));
}

#[test]
fn a_name_leads_to_this_machine_where_that_is_granted_alone() {
    let origin = talker(Some(7));
    let port = origin.rsplit(':').next().unwrap();
    // Names to every resolver, which all lead to 127.0.0.1 without asking anybody.
    for name in ["127.1", "2130706433", "0x7f000001"] {
        let named = format!("http://{name}:{port}");
        let led = misused("read", &named, &[&named], &[PATIENT], 1);
        let told = led.results[0].as_ref().unwrap_err();
        assert!(told.ends_with("DestinationIpProhibited"), "{told}");
        assert_eq!(led.stopped, [(HttpStop::Address, 1)]);
        led.says(&format!(
            "a request to {named} was refused: its name leads to 127.0.0.1, which is a loopback address; --allow-http {origin} \
             besides would grant it"
        ));
        let granted = misused("read", &named, &[&named, &origin], &[PATIENT], 1);
        assert_eq!((granted.results, granted.stopped), (vec![Ok(())], vec![]));
    }
    let localhost = format!("http://localhost:{port}");
    let by_meaning = misused("read", &localhost, &[&localhost], &[PATIENT], 1);
    assert_eq!((by_meaning.results, by_meaning.stopped), (vec![Ok(())], vec![]));
}

#[test]
fn a_storage_whose_server_is_slow_is_called_as_long_as_it_is() {
    let origin = server(None);
    let mut host = Host::with(&[("deadline", "100ms"), ("start-deadline", "100ms"), ("quarantine-after", "2")]);
    host.grants = Grants { http: vec![origin.parse().unwrap()] };
    let mut policy = host.policy(&guest("http-misuser"), &format!("{{act: read, url: '{origin}/'}}")).unwrap();
    for tick in 0..4 {
        let batch = Batch::new(snapshot(tick, &[]), Arc::new(LabelSets::none()), Vec::new(), &[]);
        let called = runtime().block_on(policy.store(batch, policy.deadline_at(Duration::from_secs(1))));
        let failure = called.result.unwrap_err();
        assert!(failure.may_pass() && !failure.spares_instance(), "{failure}");
        assert!(called.quarantined.is_none() && policy.is_ready(), "call {tick}");
    }
}
