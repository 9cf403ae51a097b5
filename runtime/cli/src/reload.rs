//! `wca reload`.

use anyhow::Result;
use wca_messages::{OperatorRequest, Refused};
use wca_warden::{AskError, ask_warden};

use crate::arguments::ReloadArguments;
use crate::report;

/// Has the agent that runs read its configuration again.
///
/// # Errors
/// What is wrong with the file, or that nobody answers.
pub(crate) fn reload(arguments: &ReloadArguments) -> Result<u8> {
    match ask_warden(arguments.run_dir.as_deref(), &OperatorRequest::Reload) {
        Ok(_) => Ok(0),
        // What is wrong with the file is shown as it is at a start.
        Err(AskError::Refused(Refused::Invalid(text))) if text.starts_with("error") => {
            report::lines(&text);
            Ok(1)
        }
        Err(error) => Err(error.into()),
    }
}
