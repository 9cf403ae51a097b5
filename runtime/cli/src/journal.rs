//! `wca journal`.

use anyhow::{Result, bail};
use wca_messages::{CoolingPolicy, JournalEntry, OperatorReply, OperatorRequest};
use wca_warden::{ask_warden, held_by_nobody};

use crate::arguments::{JournalArguments, OperateArguments};
use crate::{held, report};

/// Prints every value that WCA holds, of one that runs or of one that has left them.
///
/// # Errors
/// What cannot be asked or read.
pub(crate) fn journal(arguments: &JournalArguments) -> Result<u8> {
    let (entries, runs) = entries(&arguments.operate)?;
    if arguments.json {
        report::print(&held::json(&entries));
        return Ok(0);
    }
    if !runs {
        report::note("no WCA runs; this is what an earlier one has left");
    }
    if entries.is_empty() {
        report::note("no value is held");
    }
    report::print(&held::text(&entries, held::now()));
    Ok(0)
}

/// What is held, and whether by a WCA that runs.
pub(crate) fn entries(arguments: &OperateArguments) -> Result<(Vec<JournalEntry>, bool)> {
    let run_dir = arguments.run_dir.as_deref();
    match ask_warden(run_dir, &OperatorRequest::Journal) {
        Ok(OperatorReply::Journal { entries, cooling }) => {
            say_who_cools_down(&cooling);
            Ok((entries, true))
        }
        Ok(_) => bail!("the warden's answer is none to what was asked: it is another version of WCA"),
        Err(error) if error.is_nobody() => Ok((held_by_nobody(run_dir)?, false)),
        Err(error) => Err(error.into()),
    }
}

/// Says which policies may change nothing for now, and why.
pub(crate) fn say_who_cools_down(cooling: &[CoolingPolicy]) {
    for CoolingPolicy { policy, left, why } in cooling {
        report::note(&format!("{policy} may change nothing for {left:.0} s, since its changes were undone: {why}"));
    }
}
