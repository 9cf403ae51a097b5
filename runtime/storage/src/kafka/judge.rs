//! A broker's certificate, looked at and judged, where the client only says that it does not take it.

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::Authorities;

/// Where machines keep the authorities that they trust: Debian, Red Hat, SUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// As [`judged`], in that time also where a name server does not answer: who is asked for the address of a name cannot be told
/// to stop, so a thread of its own asks.
pub(super) fn judged_in_time(
    broker: &str,
    name: ServerName<'static>,
    authorities: &Authorities,
    time: Duration,
) -> Option<Error> {
    let (tell, told) = mpsc::channel();
    let time = time.max(Duration::from_millis(1));
    let until = Instant::now() + time;
    let (broker, authorities) = (broker.to_owned(), authorities.clone());
    let looking = std::thread::Builder::new().name("kafka-look".into());
    // Whom nobody waits for any more is heard by nobody.
    looking.spawn(move || drop(tell.send(judged(&broker, &name, &authorities, until)))).ok()?;
    told.recv_timeout(time).ok()?
}

/// What is wrong with the certificate that is shown there; none where nothing is, or where it is not shown until then.
fn judged(broker: &str, name: &ServerName<'static>, authorities: &Authorities, until: Instant) -> Option<Error> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem(authorities)?).filter_map(Result::ok));
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok()?;
    let watch = Arc::new(Watch { judge, error: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(&watch) as _;
    let config = Arc::new(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    let addresses: Vec<SocketAddr> = broker.to_socket_addrs().ok()?.collect();
    connected(&addresses, until).find_map(|mut stream| {
        let mut connection = ClientConnection::new(Arc::clone(&config), name.clone()).ok()?;
        // How it ends says less than what was found.
        let _ = connection.complete_io(&mut stream);
        watch.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    })
}

/// Connections to those of these addresses that answer, one after the other; each has its share of the time that is left.
fn connected(addresses: &[SocketAddr], until: Instant) -> impl Iterator<Item = Timed> {
    let left = (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev();
    addresses.iter().zip(left).filter_map(move |(address, left)| {
        let share = remaining(until).ok()? / left;
        let until = Instant::now() + share;
        let stream = TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))).ok()?;
        Some(Timed { stream, until })
    })
}

fn remaining(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A connection that ends then, however little is read at a time.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(remaining(self.until)?))?;
        self.stream.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(remaining(self.until)?))?;
        self.stream.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The authorities in PEM.
fn pem(authorities: &Authorities) -> Option<Vec<u8>> {
    match authorities {
        Authorities::These(authorities) => Some(authorities.clone().into_bytes()),
        Authorities::Machine => BUNDLES.iter().find_map(|path| std::fs::read(path).ok()),
        Authorities::Anybody => None,
    }
}

/// Takes no certificate, and remembers what is wrong with it: nothing is sent to whom showed it.
#[derive(Debug)]
struct Watch {
    judge: Arc<WebPkiServerVerifier>,
    error: Mutex<Option<Error>>,
}

impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge.verify_server_cert(certificate, chain, name, ocsp, now);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = judged.err();
        Err(Error::General("it was looked at".into()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn every_address_of_a_name_is_tried_and_none_takes_all_the_time() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [closed, open.local_addr().unwrap()];
        let begun = Instant::now();
        let mut streams: Vec<Timed> = connected(&addresses, begun + Duration::from_millis(300)).collect();
        assert_eq!(streams.len(), 1);
        let (mut served, _) = open.accept().unwrap();
        // A byte now and again is no answer.
        let dripping = std::thread::spawn(move || {
            while served.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut stream = streams.remove(0);
        let ended = loop {
            match stream.read_exact(&mut [0]) {
                Ok(()) => assert!(begun.elapsed() < Duration::from_secs(30)),
                Err(error) => break error,
            }
        };
        assert!(matches!(ended.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{ended}");
        drop(stream);
        dripping.join().unwrap();
    }
}
