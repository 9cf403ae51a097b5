//! What the attributes' code calls. No part of the interface.

use crate::log::{Level, write};
use crate::types::StoreError;
use std::cell::{Cell, RefCell};

pub use wit_bindgen;

/// A policy's configuration and its state, from call to call.
pub struct Policy<C, S>(RefCell<Option<(C, S)>>);

impl<C, S> Policy<C, S> {
    /// Waits for `configure`.
    pub const fn unconfigured() -> Self {
        Self(RefCell::new(None))
    }

    /// Takes a configuration. It begins with an empty state, and with another configuration goes on with the one it has.
    pub fn configure(&self, config: C)
    where
        S: Default,
    {
        let mut policy = self.0.borrow_mut();
        let state = policy.take().map_or_else(S::default, |(_, state)| state);
        *policy = Some((config, state));
    }

    /// Calls the author's function. The error is a fault of the runtime's: it configures before it calls.
    pub fn call<R>(&self, function: impl FnOnce(&C, &mut S) -> R) -> Result<R, &'static str> {
        match &mut *self.0.borrow_mut() {
            Some((config, state)) => Ok(function(config, state)),
            None => Err("called before it was configured"),
        }
    }
}

impl<S: Default> Policy<(), S> {
    /// Needs no configuration.
    pub fn ready() -> Self {
        Self(RefCell::new(Some(((), S::default()))))
    }
}

/// What an author's function may return where the contract wants `result<_, E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that this function of a policy may return",
    label = "returns `{Self}`",
    note = "it may return nothing, or `Result<(), String>`; `store` also `Result<(), StoreError>`"
)]
pub trait Outcome<E> {
    /// As the contract has it.
    fn outcome(self) -> Result<(), E>;
}

impl<E> Outcome<E> for () {
    fn outcome(self) -> Result<(), E> {
        Ok(())
    }
}

impl<F: Into<String>> Outcome<String> for Result<(), F> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(Into::into)
    }
}

impl<F: Into<StoreError>> Outcome<StoreError> for Result<(), F> {
    fn outcome(self) -> Result<(), StoreError> {
        self.map_err(Into::into)
    }
}

/// Called first in every export: from then on a panic leaves its text in the log, since the trap that follows has none.
pub fn begin() {
    thread_local!(static BEGUN: Cell<bool> = const { Cell::new(false) });
    if BEGUN.replace(true) {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("panic without a text");
        match panic.location() {
            Some(at) => write(Level::Error, &format!("panic at {}:{}: {text}", at.file(), at.line())),
            None => write(Level::Error, &format!("panic: {text}")),
        }
    }));
}
