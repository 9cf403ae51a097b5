//! What is said before there is a log, and how a program ends: in the form of the log all the same.

use std::io::Write as _;
use std::sync::OnceLock;

use crate::form::{Form, prefixed, priority};
use crate::levels::Levels;
use crate::start::start;

static CHOSEN: OnceLock<Form> = OnceLock::new();

/// The form of everything that is said from now on; the first choice counts.
pub fn choose(form: Form) {
    let _ = CHOSEN.set(form);
}

/// Says an error of one line or several, which needs no log and says by itself who speaks.
pub fn say(text: &str) {
    let text = text.trim_end();
    // Where standard error is closed there is nobody to tell.
    match CHOSEN.get().copied().unwrap_or_default() {
        Form::Plain => drop(writeln!(std::io::stderr(), "{text}")),
        Form::Journal => {
            let lines = prefixed(priority(tracing::Level::ERROR), format!("{text}\n").as_bytes());
            drop(std::io::stderr().write_all(&lines));
        }
        Form::Json => {
            // A log that is there already stays.
            let _ = start(Levels::default(), Form::Json);
            tracing::error!(target: "wca", "{text}");
        }
    }
}
