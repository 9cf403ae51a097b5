//! The broker of `testbed/kafka`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{missing, repository};

/// A broker in a folder. It ends when the tests do.
pub(crate) struct Broker {
    folder: PathBuf,
    /// Names of listeners with their addresses.
    listeners: Vec<(String, String)>,
}

/// One for all tests that let it run; none where it cannot be had here, which is said.
pub(crate) fn shared() -> Option<&'static Broker> {
    static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();
    match BROKER.get_or_init(|| Broker::start("shared")) {
        Ok(broker) => Some(broker),
        Err(why) => {
            is_missing(why);
            None
        }
    }
}

/// Says that it cannot be had here.
pub(crate) fn is_missing(why: &str) {
    missing("kafka", why, "it takes a Java runtime, Maven and Maven Central: testbed/kafka/up --fetch gets it");
}

impl Broker {
    /// Another one; the error is why it cannot be had here.
    pub(crate) fn start(name: &str) -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kafka-{}-{name}", std::process::id()));
        let mut broker = Self { folder, listeners: Vec::new() };
        broker.listeners = broker.up()?;
        Ok(broker)
    }

    /// Starts it, again where it has run before.
    pub(crate) fn up(&self) -> Result<Vec<(String, String)>, String> {
        let mut command = Command::new(repository("testbed/kafka/up"));
        let output = command.arg(&self.folder).arg(std::process::id().to_string()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.code() {
            Some(0) => {}
            Some(77) => return Err(format!("Apache Kafka does not run here: {}", said.trim())),
            _ => panic!("testbed/kafka/up: {said}{}", String::from_utf8_lossy(&output.stderr)),
        }
        Ok(said.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect())
    }

    pub(crate) fn has(&self, listener: &str) -> bool {
        self.listeners.iter().any(|(name, _)| name == listener)
    }

    /// `HOST:PORT` of a listener.
    pub(crate) fn address(&self, listener: &str) -> &str {
        let found = self.listeners.iter().find(|(name, _)| name == listener);
        found.map_or_else(|| panic!("there is no listener {listener}"), |(_, address)| address)
    }

    /// The same with the name of this machine.
    pub(crate) fn by_name(&self, listener: &str) -> String {
        let (_, port) = self.address(listener).rsplit_once(':').unwrap();
        format!("localhost:{port}")
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Sends a signal to its process.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = std::fs::read_to_string(self.path("pid")).unwrap();
        kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
    }
}
