//! `wca reload`.

use anyhow::Result;
use wca_messages::OperatorRequest;
use wca_warden::{AskError, ask_warden};

use crate::arguments::OperateArguments;
use crate::report;

/// Has the agent that runs read its configuration again.
///
/// # Errors
/// What is wrong with the file, or that nobody answers.
pub(crate) fn reload(arguments: &OperateArguments) -> Result<u8> {
    match ask_warden(arguments.run_dir.as_deref(), &OperatorRequest::Reload) {
        Ok(_) => Ok(0),
        Err(AskError::Refused(why)) => {
            report::lines(&format!("nothing has changed:\n{why}"));
            Ok(1)
        }
        Err(error) => Err(error.into()),
    }
}
