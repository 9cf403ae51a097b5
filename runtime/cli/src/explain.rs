//! `wca explain`.

use anyhow::{Result, bail};
use wca_messages::{JournalEntry, OperatorReply, OperatorRequest};
use wca_warden::ask_warden;

use crate::arguments::ExplainArguments;
use crate::{held, journal, report};

/// Says what WCA has changed of a task.
///
/// # Errors
/// What cannot be asked or read, or is no task. Where no WCA runs, nobody knows tasks of which nothing was left.
pub(crate) fn explain(arguments: &ExplainArguments) -> Result<u8> {
    let entries = entries(arguments)?;
    if arguments.json {
        report::print(&held::json(&entries));
        return Ok(0);
    }
    if entries.is_empty() {
        report::note(&format!("{}: WCA holds no value of this task", arguments.task));
    }
    report::print(&held::text(&entries, held::now()));
    Ok(0)
}

fn entries(arguments: &ExplainArguments) -> Result<Vec<JournalEntry>> {
    let request = OperatorRequest::Explain { task: arguments.task.clone() };
    match ask_warden(arguments.operate.run_dir.as_deref(), &request) {
        Ok(OperatorReply::Explained { cgroup, held, cooling }) => {
            journal::say_who_cools_down(&cooling);
            Ok(held.into_iter().map(|held| JournalEntry { cgroup: cgroup.clone(), held }).collect())
        }
        Ok(_) => bail!("the warden's answer is none to what was asked: it is another version of WCA"),
        Err(error) if error.is_nobody() => {
            let (mut entries, _) = journal::entries(&arguments.operate)?;
            entries.retain(|entry| entry.cgroup == arguments.task);
            report::note(
                "no WCA runs; only what an earlier one has left can be told, by the path of the task's cgroup",
            );
            if entries.is_empty() {
                bail!(
                    "{:?} is no cgroup of which an earlier WCA has left a value; `wca journal` prints them",
                    arguments.task
                );
            }
            Ok(entries)
        }
        Err(error) => Err(error.into()),
    }
}
