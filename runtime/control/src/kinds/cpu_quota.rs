//! `cpu_quota`: a part of the machine's processor time.

use wca_kernel::Version;
use wca_rules::quota::{Part, Period, Quota, order_of_parts};

use super::place::{CPU, Place};
use crate::context::Context;
use crate::plan::{Planned, Step};
use crate::tasks::ControlledTask;

const MAX: &str = "cpu.max";
const QUOTA: &str = "cpu.cfs_quota_us";
const PERIOD: &str = "cpu.cfs_period_us";
/// First period of the kernel in microseconds, and its first `cpu.max`.
const FIRST_PERIOD: u64 = 100_000;
const FIRST_MAX: &str = "max 100000";

/// Of a pod, its own cgroup is limited and those of its containers stay as they are.
pub(super) fn plan(share: f64, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&CPU, task, context)?;
    match place.version {
        Version::V1 => v1(share, place),
        Version::V2 => v2(share, place),
    }
}

/// What is to be in force: what is, where it is as good as the same.
fn wanted(share: f64, found: &Quota, period_before: u64, context: &Context<'_>) -> (Quota, bool) {
    let set = context.settings.cpu_quota_period.map(u64::from);
    let period = set.map_or(Period::Found(period_before), Period::Set);
    let (wanted, is_adjusted) = Quota::of_share(share, period, context.platform.cpus.len());
    let has_its_period = set.is_none() || found.period == wanted.period || found.quota.is_none();
    let kept = if has_its_period && found.is_close_to(&wanted) { *found } else { wanted };
    (kept, is_adjusted)
}

fn v2(share: f64, place: Place<'_>) -> Result<Planned, String> {
    let text = place.in_force(MAX, FIRST_MAX)?;
    let read = |text: &str| parse_max(text).ok_or_else(|| format!("{} says {text:?}", place.spot(MAX)));
    let found = read(&text)?;
    let cgroup = place.cgroup().to_owned();
    let period_before = match place.before(&cgroup, MAX) {
        Some(before) => read(before)?.period,
        None => found.period,
    };
    let (wanted, is_adjusted) = wanted(share, &found, period_before, place.context);
    let value = match wanted.quota {
        Some(quota) => format!("{quota} {}", wanted.period),
        // Written alone, it would leave the period of an earlier request there.
        None => format!("max {}", if found.quota.is_none() { found.period } else { period_before }),
    };
    has_room_for_burst(&place, "cpu.max.burst", &wanted)?;
    let step = place.step(MAX, value.clone());
    Ok(place.planned(vec![step], is_adjusted.then_some(value)))
}

fn v1(share: f64, place: Place<'_>) -> Result<Planned, String> {
    let cgroup = place.cgroup().to_owned();
    let found = quota_of(&place, &cgroup)?.ok_or_else(|| format!("{} is not there", place.spot(QUOTA)))?;
    let period_before = place.before(&cgroup, PERIOD).and_then(|text| text.parse().ok()).unwrap_or(found.period);
    let (wanted, is_adjusted) = wanted(share, &found, period_before, place.context);
    has_room_for_burst(&place, "cpu.cfs_burst_us", &wanted)?;
    let ceiling = ceiling(&place)?;
    if let Some((above, limit)) = ceiling.as_ref().filter(|(_, limit)| wanted.quota.is_some() && wanted.is_above(limit))
    {
        return Err(format!(
            "cpu_quota {share} is more than {above} has, {} of {} microseconds, and cgroup v1 takes no quota above the one around it",
            limit.quota.unwrap_or_default(),
            limit.period,
        ));
    }
    let (mut lower, mut higher) = (Vec::new(), Vec::new());
    let mut floor: Option<Quota> = None;
    let below: Vec<(String, Quota)> = place
        .below()?
        .into_iter()
        .filter_map(|cgroup| quota_of(&place, &cgroup).transpose().map(|quota| quota.map(|quota| (cgroup, quota))))
        .collect::<Result<_, _>>()?;
    for (cgroup, found) in &below {
        let first = first_value(&place, cgroup, found);
        // One without a limit has that of the cgroup above it.
        let target = if first.quota.is_some() { first.within(&wanted) } else { first };
        if target.quota.is_some()
            && found.quota.is_some()
            && floor.is_none_or(|floor| lesser(&target, found).is_above(&floor))
        {
            floor = Some(lesser(&target, found));
        }
        let is_ours = place.before(cgroup, QUOTA).is_some() || place.before(cgroup, PERIOD).is_some();
        if found.is_above(&target) {
            lower.push((cgroup.clone(), *found, target));
        } else if is_ours {
            higher.push((cgroup.clone(), *found, target));
        }
    }
    let mut steps = Vec::new();
    // From the bottom up, since the kernel takes no quota below that of a child; and raised again from the top down.
    for (cgroup, found, target) in lower.iter().rev() {
        steps.extend(parts(&place, cgroup, found, target, None, None));
    }
    let ceiling = ceiling.map(|(_, limit)| limit);
    steps.extend(parts(&place, &cgroup, &found, &wanted, floor.as_ref(), ceiling.as_ref()));
    for (cgroup, found, target) in &higher {
        steps.extend(parts(&place, cgroup, found, target, None, Some(&wanted)));
    }
    let told = wanted.quota.map_or_else(|| "-1".to_owned(), |quota| format!("{quota} {}", wanted.period));
    Ok(place.planned(steps, is_adjusted.then_some(told)))
}

fn lesser(one: &Quota, other: &Quota) -> Quota {
    if one.is_above(other) { *other } else { *one }
}

/// The quota that a cgroup below had before WCA lowered it.
fn first_value(place: &Place<'_>, cgroup: &str, found: &Quota) -> Quota {
    let quota = place.before(cgroup, QUOTA).map_or(found.quota, |text| text.parse().ok());
    let period = place.before(cgroup, PERIOD).and_then(|text| text.parse().ok()).unwrap_or(found.period);
    Quota { quota, period }
}

/// The nearest limit above the task, and its file.
fn ceiling(place: &Place<'_>) -> Result<Option<(String, Quota)>, String> {
    for cgroup in place.above() {
        if let Some(limit) = quota_of(place, &cgroup)?.filter(|limit| limit.quota.is_some()) {
            return Ok(Some((place.spot_of(&cgroup, QUOTA).to_string(), limit)));
        }
    }
    Ok(None)
}

fn quota_of(place: &Place<'_>, cgroup: &str) -> Result<Option<Quota>, String> {
    let Some(text) = place.read_of(cgroup, QUOTA)? else { return Ok(None) };
    let quota: i64 = text.parse().map_err(|_| format!("{} says {text:?}", place.spot_of(cgroup, QUOTA)))?;
    let period = match place.read_of(cgroup, PERIOD)? {
        Some(text) => text.parse().map_err(|_| format!("{} says {text:?}", place.spot_of(cgroup, PERIOD)))?,
        None => FIRST_PERIOD,
    };
    Ok(Some(Quota { quota: u64::try_from(quota).ok(), period }))
}

/// Both values of a cgroup in an order that the kernel takes; one that stands there already costs no write.
fn parts(
    place: &Place<'_>,
    cgroup: &str,
    found: &Quota,
    wanted: &Quota,
    floor: Option<&Quota>,
    ceiling: Option<&Quota>,
) -> Vec<Step> {
    let mut steps: Vec<Step> = order_of_parts(found, wanted, floor, ceiling)
        .into_iter()
        .map(|part| match part {
            Part::Period(period) => place.step_of(cgroup, PERIOD, period.to_string()),
            Part::Quota(Some(quota)) => place.step_of(cgroup, QUOTA, quota.to_string()),
            Part::Quota(None) => place.step_of(cgroup, QUOTA, "-1"),
        })
        .collect();
    // A period that WCA has written and that is still wanted is said to be so.
    if place.before(cgroup, PERIOD).is_some() && steps.iter().all(|step| step.spot != place.spot_of(cgroup, PERIOD)) {
        steps.push(place.step_of(cgroup, PERIOD, found.period.to_string()));
    }
    steps
}

/// The kernel takes no quota below the burst.
fn has_room_for_burst(place: &Place<'_>, file: &str, wanted: &Quota) -> Result<(), String> {
    let burst: u64 = place.read(file)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    match wanted.quota {
        Some(quota) if quota < burst => Err(format!(
            "a quota of {quota} microseconds is less than the burst of {burst} in {}, and the kernel takes none below it",
            place.spot(file)
        )),
        _ => Ok(()),
    }
}

fn parse_max(text: &str) -> Option<Quota> {
    let (quota, period) = text.split_once(' ')?;
    let quota = if quota == "max" { None } else { Some(quota.parse().ok()?) };
    Some(Quota { quota, period: period.parse().ok().filter(|period| *period > 0)? })
}
