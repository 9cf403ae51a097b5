//! `wca reload`.

use anyhow::Result;
use wca_messages::OperatorRequest;
use wca_warden::ask_warden;

use crate::arguments::ReloadArguments;

/// Has the agent that runs read its configuration again.
///
/// # Errors
/// What is wrong with the file, or that nobody answers.
pub(crate) fn reload(arguments: &ReloadArguments) -> Result<u8> {
    ask_warden(arguments.run_dir.as_deref(), &OperatorRequest::Reload)?;
    Ok(0)
}
