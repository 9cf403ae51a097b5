//! `wca:policy/log`.

use crate::bindings::log::{Host, Level};
use crate::located::located;
use crate::state::{LogLevel, State};

impl Host for State {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let message = if level >= LogLevel::Warn { located(&self.settings, &message) } else { message };
        self.log(level, &message);
        Ok(())
    }
}
