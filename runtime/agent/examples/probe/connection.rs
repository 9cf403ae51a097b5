//! The connection to the warden.

use std::os::fd::{AsFd as _, BorrowedFd};

use wca_messages::{Cgroup, Channel, Downward, Event, Incoming, PROTOCOL, Reply, Request, RosterEntry};
use wca_model::TaskKey;

/// Asks, and waits for the answer.
pub(crate) struct Connection {
    pub(crate) channel: Channel<Request, Downward>,
    number: u64,
    /// The warden wants an end.
    pub(crate) stop: bool,
    /// The populated cgroups, as the warden has told them last.
    cgroups: Vec<Cgroup>,
}

impl Connection {
    /// Takes over the connection, which the warden hands over as standard input.
    pub(crate) fn take() -> Self {
        let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input");
        Self { channel: Channel::new(socket), number: 0, stop: false, cgroups: vec![] }
    }

    /// Says hello; the number of samples of earlier agents.
    pub(crate) fn greet(&mut self) -> u64 {
        match self.ask(&Request::Hello { protocol: PROTOCOL }).message {
            Reply::Welcome { settings, ticks, .. } => {
                assert_eq!(settings, b"settings");
                ticks
            }
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Incoming<Reply> {
        self.number += 1;
        self.channel.send(self.number, request, &[]).expect("sending");
        self.answer()
    }

    /// Sends bytes that need be no message.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Incoming<Reply> {
        self.channel.send_bytes(bytes, descriptors).expect("sending");
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Incoming<Reply> {
        loop {
            let Incoming { number, message, descriptors } = self.channel.receive().expect("receiving");
            match message {
                Downward::Reply(message) => return Incoming { number, message, descriptors },
                Downward::Event(Event::Stop) => self.stop = true,
                Downward::Event(Event::Reload | Event::Misread) => {}
            }
        }
    }

    /// All populated cgroups become tasks; their paths and keys.
    pub(crate) fn roster(&mut self) -> Vec<(String, TaskKey)> {
        let Reply::Tree { cgroups, .. } = self.ask(&Request::Tree).message else { panic!("no tree") };
        self.cgroups = cgroups.unwrap_or_else(|| std::mem::take(&mut self.cgroups));
        let tasks: Vec<RosterEntry> = self
            .cgroups
            .iter()
            .map(|cgroup| RosterEntry {
                cgroup: cgroup.path.clone(),
                identity: cgroup.identity,
                ..RosterEntry::default()
            })
            .collect();
        let paths: Vec<String> = tasks.iter().map(|task| task.cgroup.clone()).collect();
        let Reply::Roster { keys, .. } = self.ask(&Request::Roster { tasks, exclusive_cpus: vec![] }).message else {
            panic!("no roster")
        };
        paths.into_iter().zip(keys).filter_map(|(path, key)| Some((path, key?))).collect()
    }
}
