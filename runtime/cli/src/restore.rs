//! `wca restore`.

use anyhow::{Result, bail};
use wca_messages::{OperatorReply, OperatorRequest, RestoredValues};
use wca_warden::{LeftValues, ask_warden, restore_for_nobody};

use crate::arguments::OperateArguments;
use crate::report;

/// Puts back everything that WCA holds: 0 where nothing is held any more, 1 where a value could not be put back.
///
/// # Errors
/// What cannot be asked or read.
pub(crate) fn restore(arguments: &OperateArguments) -> Result<u8> {
    let run_dir = arguments.run_dir.as_deref();
    let (LeftValues { restored, lost }, runs) = match ask_warden(run_dir, &OperatorRequest::Restore) {
        Ok(OperatorReply::Restored(restored)) => (LeftValues { restored, lost: Vec::new() }, true),
        Ok(_) => bail!("the warden's answer is none to what was asked: it is another version of WCA"),
        Err(error) if error.is_nobody() => (restore_for_nobody(run_dir)?, false),
        Err(error) => return Err(error.into()),
    };
    report::print(&summary(&restored));
    for told in words(&restored).into_iter().chain(of_earlier_boot(&lost)) {
        report::note(&told);
    }
    report::note(if runs {
        "WCA runs on without changes; `wca thaw` lets it make them again"
    } else {
        "no WCA runs; this was what an earlier one had left"
    });
    Ok(u8::from(!restored.failed.is_empty()))
}

fn summary(restored: &RestoredValues) -> String {
    let RestoredValues { put_back, gone, foreign, failed } = restored;
    let (foreign, failed) = (foreign.len(), failed.len());
    format!(
        "{put_back} put back, {gone} gone with their cgroups or groups, {foreign} left to others, {failed} not put back\n"
    )
}

fn words(restored: &RestoredValues) -> Vec<String> {
    let foreign = restored.foreign.iter().map(|what| format!("left to who has changed it: {what}"));
    let failed = restored.failed.iter().map(|what| format!("not put back: {what}"));
    foreign.chain(failed).collect()
}

/// How many values an earlier boot has taken along, and which.
fn of_earlier_boot(lost: &[String]) -> Vec<String> {
    let values = if lost.len() == 1 { "value" } else { "values" };
    let count = (!lost.is_empty()).then(|| {
        format!("{} {values} of an earlier boot went with it, so that there is nothing to put back:", lost.len())
    });
    count.into_iter().chain(lost.iter().map(|what| format!("of an earlier boot: {what}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_with_an_earlier_boot_is_counted_and_named() {
        assert_eq!(of_earlier_boot(&[]), [""; 0]);
        let count = "1 value of an earlier boot went with it, so that there is nothing to put back:";
        assert_eq!(of_earlier_boot(&["a".into()]), [count, "of an earlier boot: a"]);
        assert!(of_earlier_boot(&["a".into(), "b".into()])[0].starts_with("2 values of an earlier boot went"));
    }

    #[test]
    fn what_was_done_is_said() {
        let restored = RestoredValues { put_back: 3, gone: 1, foreign: vec!["f".into()], failed: vec!["g".into()] };
        let expected = "3 put back, 1 gone with their cgroups or groups, 1 left to others, 1 not put back\n";
        assert_eq!(summary(&restored), expected);
        assert_eq!(words(&restored), ["left to who has changed it: f", "not put back: g"]);
    }
}
