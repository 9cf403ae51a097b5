//! What the client is told: what the storage decides, and what the operator adds.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaConfRes;

use super::tls::Spoken;
use super::{Authorities, KafkaError, Options, Tls};

/// Most bytes of a message, where the operator does not want less.
const MOST: usize = 100_000;
/// How much larger a request is than the message in it, or some more. What brokers limit is the record batch, which is in
/// between (KIP-98), and the client puts several messages into one: so it may put no more there than this and one message.
const AROUND: usize = 512;

/// Cipher suites of TLS 1.2; those of 1.3 are all good.
const CIPHERS: &str =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA256";

const BROKERS: &str = "`brokers_ips` names the brokers";
const TIMEOUT: &str = "`max_timeout_in_seconds` says how long a message may be under way";
const ONCE: &str = "messages are sent so that each is stored once (enable.idempotence), by all replicas (acks: all), and tried \
                    again by the client as long as there is time";
const REPORTS: &str = "every message is reported, so that what is lost is counted";
const LEVEL: &str = "what the client says goes to the log of the agent in any case: `debug` has it say more, and `--log wca.storage` \
                     sets what of it is shown";
const SIGNALS: &str = "the agent has signals of its own";
const LIBRARIES: &str = "the agent runs nobody else's code";
const FILES: &str = "`ssl` names the certificates, and the key";
/// Options that the operator cannot have another way.
const OWNED: [(&str, &str); 22] = [
    ("bootstrap.servers", BROKERS),
    ("metadata.broker.list", BROKERS),
    ("message.timeout.ms", TIMEOUT),
    ("delivery.timeout.ms", TIMEOUT),
    ("enable.idempotence", ONCE),
    ("enable.gapless.guarantee", ONCE),
    ("transactional.id", ONCE),
    ("acks", ONCE),
    ("request.required.acks", ONCE),
    ("retries", ONCE),
    ("message.send.max.retries", ONCE),
    ("max.in.flight", ONCE),
    ("max.in.flight.requests.per.connection", ONCE),
    ("queuing.strategy", ONCE),
    ("delivery.report.only.error", REPORTS),
    ("log.queue", REPORTS),
    ("log_level", LEVEL),
    ("internal.termination.signal", SIGNALS),
    ("plugin.library.paths", LIBRARIES),
    ("ssl.engine.location", LIBRARIES),
    ("ssl.providers", LIBRARIES),
    ("sasl.kerberos.kinit.cmd", LIBRARIES),
];

/// Options that the operator cannot have another way where there is `ssl`.
const OWNED_WITH_TLS: [&str; 9] = [
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "enable.ssl.certificate.verification",
];

/// What a client is made with.
pub(super) struct Settings {
    pub(super) config: ClientConfig,
    /// Most bytes of a message.
    pub(super) most: usize,
    /// Whether the operator wants to see what the client does.
    pub(super) is_watched: bool,
    /// How TLS is spoken, where it is.
    pub(super) tls: Option<Spoken>,
    /// What the operator should hear once.
    pub(super) notes: Vec<String>,
}

impl Settings {
    pub(super) fn new(options: &Options) -> Result<Self, KafkaError> {
        let mut notes = Vec::new();
        check(options)?;
        let given = |name: &str| options.extra.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let mut config = ClientConfig::new();
        for (name, value) in [
            ("client.id", "wca"),
            // Who comes back is found soon.
            ("reconnect.backoff.max.ms", "1000"),
            // Ours is no library of the machine, which would know.
            ("ssl.ca.location", "probe"),
        ] {
            config.set(name, value);
        }
        config.set("batch.size", (MOST + AROUND).to_string());
        if let Some(tls) = &options.tls {
            set_tls(&mut config, tls, &given)?;
        }
        for (name, value) in &options.extra {
            if is_dropped(options, name) {
                notes.push(format!("`{name}` of `extra_config` is left out: with `ssl`, TLS 1.2 and 1.3 are spoken"));
                continue;
            }
            config.set(name, value);
        }
        if options.tls.is_some() && given("ssl.cipher.suites").is_some() {
            notes.push(format!("`ssl.cipher.suites` of `extra_config` counts, in the place of {CIPHERS}"));
        }
        // Time is ours, since only we can tell what became of a message when it is over.
        config.set("message.timeout.ms", "0");
        config.set("enable.idempotence", "true");
        config.set("bootstrap.servers", options.brokers.join(","));
        let is_watched = given("debug").is_some();
        config.set_log_level(if is_watched { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
        let wanted = given("message.max.bytes").and_then(|bytes| bytes.parse::<usize>().ok());
        let most = wanted.map_or(MOST, |bytes| bytes.saturating_sub(AROUND).min(MOST));
        Ok(Self { config, most, is_watched, tls: Spoken::of(options), notes })
    }
}

/// TLS as in the documentation of the storage.
fn set_tls<'a>(
    config: &mut ClientConfig,
    tls: &Tls,
    given: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<(), KafkaError> {
    let wants_sasl = ["sasl.mechanism", "sasl.mechanisms"].iter().any(|name| given(name).is_some());
    match given("security.protocol").map(str::to_ascii_lowercase).as_deref() {
        None => _ = config.set("security.protocol", if wants_sasl { "sasl_ssl" } else { "ssl" }),
        // It is set with the others.
        Some("ssl" | "sasl_ssl") => {}
        Some(_) => {
            return Err(KafkaError::Owned {
                name: "security.protocol".into(),
                why: "with `ssl`, it is ssl or sasl_ssl",
            });
        }
    }
    config.set("ssl.cipher.suites", CIPHERS);
    match &tls.authorities {
        Authorities::Machine => {}
        Authorities::These(authorities) => {
            config.remove("ssl.ca.location");
            config.set("ssl.ca.pem", authorities);
        }
        Authorities::Anybody => _ = config.set("enable.ssl.certificate.verification", "false"),
    }
    if let Some(identity) = &tls.identity {
        config.set("ssl.certificate.pem", &identity.certificate);
        config.set("ssl.key.pem", &identity.key);
    }
    Ok(())
}

/// What the Python agent left out as well.
fn is_dropped(options: &Options, name: &str) -> bool {
    options.tls.is_some() && name == "ssl.enabled.protocols"
}

/// Looks at each option by itself, so that all are named that there are not.
fn check(options: &Options) -> Result<(), KafkaError> {
    let mut unknown = Vec::new();
    for (name, value) in &options.extra {
        if is_dropped(options, name) {
            continue;
        }
        let why = OWNED.iter().find(|(known, _)| known == name).map(|(_, why)| *why);
        let with_tls = (options.tls.is_some() && OWNED_WITH_TLS.contains(&name.as_str())).then_some(FILES);
        if let Some(why) = why.or(with_tls) {
            return Err(KafkaError::Owned { name: name.clone(), why });
        }
        match ClientConfig::new().set(name, value).create_native_config() {
            Ok(_) => {}
            Err(ClientError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => unknown.push(name.clone()),
            Err(ClientError::ClientConfig(_, what, ..)) => {
                return Err(KafkaError::Invalid { name: name.clone(), what });
            }
            Err(error) => return Err(KafkaError::Invalid { name: name.clone(), what: error.to_string() }),
        }
    }
    if unknown.is_empty() { check_linger(options) } else { Err(KafkaError::Unknown(unknown)) }
}

/// A client that waits for more messages for longer than those that it has may be under way delivers none.
fn check_linger(options: &Options) -> Result<(), KafkaError> {
    for (name, value) in &options.extra {
        let is_linger = ["linger.ms", "queue.buffering.max.ms"].contains(&name.as_str());
        let lingers = value.parse::<f64>().ok().filter(|_| is_linger).map(|wanted| wanted / 1000.0);
        if lingers.is_some_and(|lingers| lingers >= options.timeout.as_secs_f64()) {
            return Err(KafkaError::Invalid {
                name: name.clone(),
                what: format!(
                    "for {value} ms the client would wait for more messages, but one may be under way for {:?} alone \
                     (`max_timeout_in_seconds`): it must be less",
                    options.timeout
                ),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::kafka::Identity;

    fn options(extra: &[(&str, &str)], authorities: Option<Authorities>) -> Options {
        let identity = Some(Identity { certificate: "certificate".into(), key: "key".into() });
        Options {
            topic: "metrics".into(),
            brokers: vec!["a:1".into(), "[::1]:2".into()],
            timeout: Duration::from_secs(1),
            extra: extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            tls: authorities.map(|authorities| Tls { authorities, identity }),
        }
    }

    fn these() -> Option<Authorities> {
        Some(Authorities::These("authorities".into()))
    }

    #[test]
    fn what_the_operator_adds_is_passed_on() {
        let settings =
            Settings::new(&options(&[("debug", "broker,topic,msg"), ("compression.codec", "lz4")], None)).unwrap();
        let get = |name: &str| settings.config.get(name);
        assert_eq!((get("bootstrap.servers"), get("compression.codec")), (Some("a:1,[::1]:2"), Some("lz4")));
        assert_eq!((get("security.protocol"), get("message.timeout.ms")), (None, Some("0")));
        assert!(settings.is_watched && settings.notes.is_empty() && settings.most == MOST);
        assert_eq!(get("batch.size"), Some("100512"));
        let smaller = Settings::new(&options(&[("message.max.bytes", "5000"), ("client.id", "node-1")], None)).unwrap();
        assert_eq!((smaller.most, smaller.config.get("client.id")), (5_000 - AROUND, Some("node-1")));
        assert!(Settings::new(&options(&[("linger.ms", "999"), ("log.thread.name", "false")], None)).is_ok());
    }

    #[rstest]
    #[case(&[("acks", "1")], false, "acks cannot be set here: messages are sent so that each is stored once")]
    #[case(&[("bootstrap.servers", "b:1")], false, "bootstrap.servers cannot be set here: `brokers_ips` names the brokers")]
    #[case(&[("plugin.library.paths", "x")], false, "plugin.library.paths cannot be set here: the agent runs nobody else's code")]
    #[case(&[("ssl.ca.location", "/x")], true, "ssl.ca.location cannot be set here: `ssl` names the certificates, and the key")]
    #[case(&[("security.protocol", "plaintext")], true, "security.protocol cannot be set here: with `ssl`, it is ssl or sasl_ssl")]
    #[case(&[("no.such", "1"), ("linger.ms", "1"), ("nor.this", "2")], false, "librdkafka has no option no.such, and no option nor.this")]
    #[case(&[("linger.ms", "soon")], false, "linger.ms: ")]
    #[case(&[("linger.ms", "1000")], false, "linger.ms: for 1000 ms the client would wait for more messages, but one may be under way for 1s alone")]
    #[case(&[("queue.buffering.max.ms", "1000.5")], false, "queue.buffering.max.ms: for 1000.5 ms the client would wait")]
    #[case(&[("log_level", "7")], false, "log_level cannot be set here: what the client says goes to the log of the agent")]
    fn what_is_wrong_is_said(#[case] extra: &[(&str, &str)], #[case] tls: bool, #[case] expected: &str) {
        let authorities = if tls { these() } else { None };
        let told = Settings::new(&options(extra, authorities)).err().unwrap();
        assert!(told.to_string().starts_with(expected) && told.is_of_option(), "{told}");
    }

    #[test]
    fn tls_is_that_of_its_argument() {
        let settings = Settings::new(&options(&[], these())).unwrap();
        let get = |name: &str| settings.config.get(name);
        assert_eq!((get("security.protocol"), get("ssl.cipher.suites")), (Some("ssl"), Some(CIPHERS)));
        assert_eq!((get("ssl.ca.pem"), get("ssl.ca.location")), (Some("authorities"), None));
        assert_eq!((get("ssl.certificate.pem"), get("ssl.key.pem")), (Some("certificate"), Some("key")));
        assert_eq!(get("enable.ssl.certificate.verification"), None);
        let anybody = Settings::new(&options(&[], Some(Authorities::Anybody))).unwrap();
        assert_eq!(anybody.config.get("enable.ssl.certificate.verification"), Some("false"));
        let machine = Settings::new(&options(&[], Some(Authorities::Machine))).unwrap();
        assert_eq!(machine.config.get("ssl.ca.location"), Some("probe"));
    }

    #[rstest]
    #[case(&[("sasl.mechanisms", "PLAIN")], "sasl_ssl")]
    #[case(&[("sasl.mechanism", "SCRAM-SHA-256")], "sasl_ssl")]
    #[case(&[("security.protocol", "SASL_SSL")], "SASL_SSL")]
    #[case(&[("security.protocol", "ssl")], "ssl")]
    fn who_shows_a_password_does_so_by_tls(#[case] extra: &[(&str, &str)], #[case] expected: &str) {
        let settings = Settings::new(&options(extra, these())).unwrap();
        assert_eq!(settings.config.get("security.protocol"), Some(expected));
    }

    #[test]
    fn what_the_python_agent_changed_too_is_told() {
        let extra = [("ssl.enabled.protocols", "TLSv1.2"), ("ssl.cipher.suites", "ECDHE-RSA-AES256-GCM-SHA384")];
        let settings = Settings::new(&options(&extra, these())).unwrap();
        assert_eq!(settings.config.get("ssl.cipher.suites"), Some("ECDHE-RSA-AES256-GCM-SHA384"));
        assert_eq!((settings.config.get("ssl.enabled.protocols"), settings.notes.len()), (None, 2));
        let without = Settings::new(&options(&extra, None)).err().unwrap();
        assert_eq!(without.to_string(), "librdkafka has no option ssl.enabled.protocols");
    }
}
