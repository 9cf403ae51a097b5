use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tokio::io::AsyncReadExt as _;
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, StreamContext};

use super::*;
use crate::limits::Limits;
use crate::state::{Lines, LogLine, LogSink};

#[path = "../../../../tests/skipped.rs"]
mod skipped;

/// Lines that were logged.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<String>>);

impl Kept {
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl LogSink for Kept {
    fn write(&self, line: LogLine) {
        self.0.lock().unwrap().push(line.text);
    }
}

/// The exchanges of an instance to which this is granted, and its log.
pub(super) fn exchanges(granted: &[&str], limits: &Limits) -> (Arc<Exchanges>, Arc<Kept>) {
    let grants = Grants { http: granted.iter().map(|origin| origin.parse().unwrap()).collect() };
    exchanges_of(Outgoing::new(&grants), limits)
}

fn exchanges_of(outgoing: Outgoing, limits: &Limits) -> (Arc<Exchanges>, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let lines = Lines::new("P".into(), Arc::clone(&kept) as Arc<dyn LogSink>, limits);
    (Exchanges::new(Arc::new(outgoing), limits, Arc::new(Mutex::new(lines))), kept)
}

type Answered = Pin<Box<dyn Future<Output = Result<u16, Error>> + Send>>;

/// Asks there; the status of the answer.
fn ask(http: &mut GrantedHttp, url: &str, body: WasiBody, options: Option<RequestOptions>) -> Answered {
    let request = Request::post(url).body(body).unwrap();
    let asked = Box::into_pin(http.send_request(request, options, Box::new(async { Ok(()) })));
    Box::pin(async move { asked.await.map(|(answer, _)| answer.status().as_u16()) })
}

fn nothing() -> WasiBody {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn a_refusal_says_no_secret_and_no_remedy_that_is_none() {
    let (exchanges, kept) = exchanges(&["http://a.example"], &Limits::default());
    let mut http = GrantedHttp::new(exchanges);
    for url in ["http://user:secret@a.example/x?token=secret", "http://b.example:81/x?token=secret"] {
        let told = ask(&mut http, url, nothing(), None).await.unwrap_err();
        assert!(matches!(told, Error::HttpRequestDenied), "{told:?}");
    }
    let expected = [
        "a request to http://a.example was refused: it has a user name; granted are http://a.example:80",
        "a request to http://b.example:81 was refused: granted are http://a.example:80; --allow-http http://b.example:81 \
         would grant it",
    ];
    assert_eq!(kept.texts(), expected);
}

/// Reads all that comes on one connection; says when there is anything of the body.
async fn reads_to_the_end(listener: tokio::net::TcpListener, begun: tokio::sync::oneshot::Sender<()>) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut all, mut begun, mut part) = (Vec::new(), Some(begun), [0; 4096]);
    // A reset is an end as well.
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        all.extend_from_slice(&part[..length]);
        if String::from_utf8_lossy(&all).contains("half a batch") {
            begun.take().map(|begun| begun.send(()));
        }
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn an_upload_that_is_cut_off_with_its_call_does_not_look_whole() {
    // What is polled first is a matter of chance where it is not said.
    for round in 0..20 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let server = tokio::spawn(reads_to_the_end(listener, begun));
        let (exchanges, _) = exchanges(&[&url], &Limits::default());
        let mut http = GrantedHttp::new(Arc::clone(&exchanges));
        let (mut body, sent) = HostOutgoingBody::new(StreamContext::Request, None, 1, 1024);
        let mut stream = body.take_output_stream().unwrap();
        stream.write(Bytes::from_static(b"half a batch")).unwrap();
        let asked = tokio::spawn(ask(&mut http, &url, sent, None));
        has_begun.await.unwrap();
        // As after a trap, or where the whole instance is given up.
        if round % 2 == 0 {
            exchanges.end(CallEnd::Stopped, 1);
        } else {
            drop(http);
        }
        drop((stream, body));
        let told = asked.await.unwrap().unwrap_err();
        assert!(matches!(told, Error::ConnectionTerminated), "{told:?}");
        let all = server.await.unwrap();
        assert!(all.contains("transfer-encoding: chunked\r\n") && !all.ends_with("0\r\n\r\n"), "{all}");
    }
}

#[tokio::test]
async fn an_upload_that_is_finished_is_whole() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(reads_to_the_end(listener, begun));
    let (exchanges, _) = exchanges(&[&url], &Limits::default());
    let mut http = GrantedHttp::new(Arc::clone(&exchanges));
    let (mut body, sent) = HostOutgoingBody::new(StreamContext::Request, None, 1, 1024);
    let mut stream = body.take_output_stream().unwrap();
    stream.write(Bytes::from_static(b"half a batch")).unwrap();
    drop(stream);
    body.finish(None).unwrap();
    let asked = tokio::spawn(ask(&mut http, &url, sent, None));
    has_begun.await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    exchanges.end(CallEnd::Returned, 1);
    asked.await.unwrap().unwrap_err();
    let all = server.await.unwrap();
    assert!(all.ends_with("half a batch\r\n0\r\n\r\n"), "{all}");
}

/// Authorities and certificates in a folder; none where there is no openssl.
fn certificates() -> Option<tempfile::TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        skipped::skipped("openssl, which makes certificates, is not installed");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let done = |command: &mut Command| {
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/kafka/certificates");
    done(Command::new(script).arg(folder.path()));
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls/address.key"];
    let mut for_address = Command::new("openssl");
    for_address.args(["req", "-x509", "-days", "2", "-subj", "/CN=address", "-out", "tls/address.pem"]).args(key);
    for_address.args(["-CA", "authority.pem", "-CAkey", "authority.key"]);
    done(for_address.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]));
    Some(folder)
}

/// A server at 127.0.0.1 that shows this certificate.
fn showing(folder: &Path, name: &str) -> u16 {
    let file = |end: &str| folder.join("tls").join(format!("{name}.{end}"));
    let chain = CertificateDer::pem_file_iter(file("pem")).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not trust it asks nothing.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            }
        }
    });
    port
}

/// Asks there, with trust in this authority alone.
async fn ask_by_tls(url: &str, authority: &Path, options: Option<RequestOptions>) -> Result<u16, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let grants = Grants { http: vec![url.parse().unwrap()] };
    let outgoing = Outgoing { tls: tls::trusting(roots), ..Outgoing::new(&grants) };
    let (exchanges, _) = exchanges_of(outgoing, &Limits::default());
    ask(&mut GrantedHttp::new(exchanges), url, nothing(), options).await
}

#[tokio::test]
async fn by_tls_a_server_shows_that_it_is_the_host_of_the_origin() {
    let Some(folder) = certificates() else { return };
    let folder = folder.path();
    for (certificate, host, authority, is_trusted) in [
        ("right", "localhost", "authority", true),
        ("right", "localhost", "other", false),
        ("expired", "localhost", "authority", false),
        ("elsewhere", "localhost", "authority", false),
        ("right", "127.0.0.1", "authority", false),
        ("address", "127.0.0.1", "authority", true),
        ("address", "localhost", "authority", false),
    ] {
        let url = format!("https://{host}:{}", showing(folder, certificate));
        let asked = ask_by_tls(&url, &folder.join(format!("{authority}.pem")), None).await;
        let what = format!("{certificate} for {host} by {authority}: {asked:?}");
        match is_trusted {
            true => assert!(matches!(asked, Ok(204)), "{what}"),
            false => assert!(matches!(asked, Err(Error::TlsCertificateError)), "{what}"),
        }
    }
    // An authority of nobody's browser.
    let url = format!("https://localhost:{}", showing(folder, "right"));
    let (exchanges, _) = exchanges(&[&url], &Limits::default());
    let asked = ask(&mut GrantedHttp::new(exchanges), &url, nothing(), None).await;
    assert!(matches!(asked, Err(Error::TlsCertificateError)), "{asked:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_asked() {
    let Some(folder) = certificates() else { return };
    let authority = folder.path().join("authority.pem");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = |address: SocketAddr| format!("https://localhost:{}", address.port());
    let options = RequestOptions { connect_timeout: Some(Duration::from_millis(300)), ..RequestOptions::default() };
    // It takes the connection, and never says a word.
    let silent = ask_by_tls(&url(listener.local_addr().unwrap()), &authority, Some(options)).await;
    assert!(matches!(silent, Err(Error::ConnectionTimeout)), "{silent:?}");

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let asked = ask_by_tls(&url(address), &authority, None).await;
    assert!(matches!(asked, Err(Error::TlsProtocolError)), "{asked:?}");
}
