//! The operator has changed the configuration: the agent is told, and the operator how it ended.

use std::time::Duration;

use wca_messages::Event;

use super::Warden;
use crate::notify::notify;
use crate::reload::Settled;

impl Warden {
    /// Reads the configuration again after a SIGHUP. One that comes while it is being read counts for what was written
    /// since, and so waits, as does one that comes before there is an agent that could judge it.
    pub(super) fn read_again(&mut self) {
        let has_agent = self.agent.as_ref().is_some_and(|agent| agent.session.greeted);
        if !self.rereads || !has_agent || self.stopping || self.service.pending.is_some() {
            return;
        }
        self.rereads = false;
        match self.service.renew() {
            Ok(()) => self.tell_of_reload(),
            Err(why) => {
                self.tell_of_misreading();
                self.reloaded(Err(&why.to_string()));
            }
        }
    }

    /// Tells the agent, whose metrics say so, that what the operator has written cannot be read.
    pub(super) fn tell_of_misreading(&mut self) {
        if let Some(agent) = &mut self.agent {
            agent.tell(Event::Misread);
        }
    }

    /// Tells the agent that there is something new to read.
    pub(super) fn tell_of_reload(&mut self) {
        match &mut self.agent {
            Some(agent) => {
                notify(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()));
                agent.tell(Event::Reload);
            }
            // Nobody has looked whether it can run, and an agent that begins with one that cannot ends the program.
            None => {
                let why = "the agent is being started again; ask again in a moment";
                self.service.settled = self.service.settle(Some(why.into()));
            }
        }
    }

    /// Says how a reload has ended.
    fn reloaded(&self, result: Result<Duration, &str>) {
        match result {
            Ok(took) => tracing::info!("the configuration was read again and is in force, after {took:.1?}"),
            Err(why) => tracing::error!("the configuration stays as it was: {why}"),
        }
        notify("READY=1");
    }

    /// Says how the reload that was under way has ended, to the log and to the operator who asked for it.
    pub(super) fn settle_reload(&mut self) {
        let Some(Settled { refused, took }) = self.service.settled.take() else { return };
        self.reloaded(refused.as_deref().map_or(Ok(took), Err));
        if let Some(operator) = &mut self.operator {
            operator.reloaded(refused);
        }
    }
}

/// The clock by which the service manager tells an answer to this reload from one to an earlier one
/// (<https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>, `MONOTONIC_USEC`).
fn monotonic_microseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}
