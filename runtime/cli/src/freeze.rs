//! `wca freeze` and `wca thaw`.

use anyhow::Result;
use wca_messages::OperatorRequest;
use wca_warden::ask_warden;

use crate::arguments::OperateArguments;
use crate::report;

/// No changes until they are thawed.
///
/// # Errors
/// Nobody answers.
pub(crate) fn freeze(arguments: &OperateArguments) -> Result<u8> {
    ask_warden(arguments.run_dir.as_deref(), &OperatorRequest::Freeze)?;
    report::note("no changes until `wca thaw`; what is in force stays");
    Ok(0)
}

/// Changes again.
///
/// # Errors
/// Nobody answers.
pub(crate) fn thaw(arguments: &OperateArguments) -> Result<u8> {
    ask_warden(arguments.run_dir.as_deref(), &OperatorRequest::Thaw)?;
    report::note("changes are made again");
    Ok(0)
}
