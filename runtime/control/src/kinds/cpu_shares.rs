//! `cpu_shares`: a relative share of processor time under contention, in units of `cpu_shares_unit`.

use wca_kernel::Version;
use wca_model::{Change, Kind, SharesConversion};
use wca_rules::weights::{SharesFormula, shares};

use super::place::{CPU, Place};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

pub(super) const SHARES: &str = "cpu.shares";
pub(super) const WEIGHT: &str = "cpu.weight";
pub(super) const FIRST_WEIGHT: &str = "100";

/// Siblings whose weights are looked at, by name: so many tell the formula as well as all.
const MOST_SIBLINGS: usize = 64;

/// On v2 shares become a weight. The number that was asked for stays in the journal beside the one that is written.
pub(super) fn plan(value: f64, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&CPU, task, context)?;
    let (shares, is_clamped) = shares(value, context.settings.cpu_shares_unit);
    match place.version {
        Version::V1 => place.planned_number(SHARES, "1024", shares, is_clamped),
        Version::V2 => {
            is_not_idle(&place)?;
            if let Some(weight) = converted_before(value, &place) {
                return place.planned_number(WEIGHT, FIRST_WEIGHT, weight, is_clamped);
            }
            let formula = formula(&place)?;
            let weight = formula.weight(shares);
            // Beyond 102400 shares the kernel's formula goes out of range: all of them are the greatest weight.
            let is_clamped = is_clamped || (formula == SharesFormula::Kernel && shares > 102_400);
            place.planned_number(WEIGHT, FIRST_WEIGHT, weight, is_clamped)
        }
    }
}

/// The formula by which shares of the task become a weight.
pub(super) fn formula(place: &Place<'_>) -> Result<SharesFormula, String> {
    match place.context.settings.cpu_shares_conversion {
        SharesConversion::Kernel => Ok(SharesFormula::Kernel),
        SharesConversion::RuncLinear => Ok(SharesFormula::RuncLinear),
        SharesConversion::Runc2025 => Ok(SharesFormula::Runc2025),
        SharesConversion::Auto => formula_in_use(place),
    }
}

/// The weight that the same number became before: a neighbour that comes or goes does not change it, and nothing is to be read for
/// it.
fn converted_before(value: f64, place: &Place<'_>) -> Option<u64> {
    if place.context.settings.cpu_shares_conversion != SharesConversion::Auto {
        return None;
    }
    let held = place.held(WEIGHT)?;
    let is_same = held.owner.kind == Kind::CpuShares && held.owner.asked == Change::CpuShares(value).to_string();
    held.written.parse().ok().filter(|_| is_same)
}

/// The formula by which the weights of the task and of its siblings were made, as they were before WCA changed them.
fn formula_in_use(place: &Place<'_>) -> Result<SharesFormula, String> {
    let mut weights = Vec::new();
    for cgroup in place.siblings()?.into_iter().take(MOST_SIBLINGS) {
        let text = match place.before(&cgroup, WEIGHT) {
            Some(before) => Some(before.to_owned()),
            None => place.read_of(&cgroup, WEIGHT)?,
        };
        weights.extend(text.and_then(|text| text.parse::<u64>().ok()));
    }
    Ok(SharesFormula::of_weights(weights).unwrap_or(SharesFormula::ALL[0]))
}

/// The kernel takes no weight for a cgroup that is to run only where nobody else wants to.
pub(super) fn is_not_idle(place: &Place<'_>) -> Result<(), String> {
    match place.read("cpu.idle")?.as_deref() {
        None | Some("0") => Ok(()),
        Some(_) => Err(format!("{} is 1, and the kernel takes no weight then", place.spot("cpu.idle"))),
    }
}
