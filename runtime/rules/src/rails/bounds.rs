//! Whether one change is within one rail, and which one would be.

use std::collections::{BTreeMap, BTreeSet};

use wca_model::request::{Limit, Ways};
use wca_model::{Change, Kind};

use super::Rail;
use crate::glob;
use crate::validate::ranges;

/// What is out of bounds.
pub(super) struct Out {
    /// What, and what the bounds are.
    pub(super) what: String,
    /// The nearest change that this bound lets pass, where there is one.
    pub(super) nearest: Option<Change>,
}

impl Rail {
    /// Whether a change is within this rail; where it is not, the nearest one that is, if there is any.
    pub(super) fn check(&self, change: &Change) -> Result<(), Out> {
        if matches!(change, Change::Release(_)) {
            return Ok(());
        }
        let bounds = [Self::kind, Self::set, Self::group, Self::range];
        let Some(mut out) = bounds.iter().find_map(|bound| bound(self, change).err()) else { return Ok(()) };
        // What one bound leaves can be out of another.
        for _ in 0..bounds.len() {
            let Some(nearest) = &out.nearest else { break };
            match bounds.iter().find_map(|bound| bound(self, nearest).err()) {
                None => break,
                Some(next) => out.nearest = next.nearest,
            }
        }
        Err(out)
    }

    fn kind(&self, change: &Change) -> Result<(), Out> {
        let kind = change.kind();
        match &self.kinds {
            Some(kinds) if !kinds.contains(&kind) => {
                let there: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                let there = if there.is_empty() { "none is".into() } else { format!("allowed: {}", there.join(", ")) };
                Err(Out { what: format!("{} is not allowed; {there}", kind.as_str()), nearest: None })
            }
            _ => Ok(()),
        }
    }

    /// Sets of processors, nodes and ways, and most bandwidth by domain.
    fn set(&self, change: &Change) -> Result<(), Out> {
        match change {
            Change::CpusetCpus(ids) => subset(change.kind(), ids, self.cpus.as_ref(), Change::CpusetCpus),
            Change::CpusetMems(ids) => subset(change.kind(), ids, self.mems.as_ref(), Change::CpusetMems),
            Change::MigratePages(node) => subset(change.kind(), &[*node], self.mems.as_ref(), |_| change.clone()),
            Change::RdtL3(ways) => within(change.kind(), *ways, &self.l3, Change::RdtL3),
            Change::RdtL3Code(ways) => within(change.kind(), *ways, &self.l3, Change::RdtL3Code),
            Change::RdtL3Data(ways) => within(change.kind(), *ways, &self.l3, Change::RdtL3Data),
            Change::RdtL2(ways) => within(change.kind(), *ways, &self.l2, Change::RdtL2),
            Change::RdtMb(Limit { domain, value }) => match self.mb.get(domain) {
                Some(most) if value > most => Err(Out {
                    what: format!("rdt_mb {value} in domain {domain} is more than {most}"),
                    nearest: Some(Change::RdtMb(Limit { domain: *domain, value: *most })),
                }),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn group(&self, change: &Change) -> Result<(), Out> {
        match change {
            Change::RdtGroup(group) => self.group_named(group.as_deref()),
            _ => Ok(()),
        }
    }

    /// Whether a group may be used; none: one of the task's own.
    pub(super) fn group_named(&self, group: Option<&str>) -> Result<(), Out> {
        let Some(patterns) = &self.groups else { return Ok(()) };
        let is_allowed = |pattern: &String| match group {
            Some(name) => glob::matches(pattern, name),
            None => pattern == "*",
        };
        if patterns.iter().any(is_allowed) {
            return Ok(());
        }
        let shown = match group {
            None => "a group of its own".into(),
            Some("") => "the root group".into(),
            Some(name) => format!("group `{}`", name.escape_debug()),
        };
        let there = if patterns.is_empty() { "none".into() } else { patterns.join(", ") };
        Err(Out { what: format!("{shown} is not allowed; allowed: {there}"), nearest: None })
    }

    fn range(&self, change: &Change) -> Result<(), Out> {
        let kind = change.kind();
        let (Some((least, most)), Some(measure)) = (self.ranges.get(&kind), measure(change)) else { return Ok(()) };
        if (*least..=*most).contains(&measure) {
            return Ok(());
        }
        let shown = shown(kind, measure);
        let (name, unit) = (kind.as_str(), unit(kind));
        let what = format!("{name} {shown}{unit}: {least} to {most} are allowed");
        let to = if measure > *most { *most } else { *least };
        Err(Out { what, nearest: nearest(change, to, measure > *most) })
    }
}

/// What a range is about; none where the kind has no number.
fn measure(change: &Change) -> Option<f64> {
    let count = |ids: &[u32]| ids.iter().collect::<BTreeSet<_>>().len() as f64;
    let bytes = |bytes: Option<u64>| bytes.map_or(f64::INFINITY, number);
    Some(match change {
        Change::CpuQuota(value) | Change::CpuShares(value) => *value,
        Change::CpuWeight(value) | Change::IoWeight(value) => f64::from(*value),
        Change::CpusetCpus(ids) | Change::CpusetMems(ids) => count(ids),
        Change::RdtL3(ways) | Change::RdtL3Code(ways) | Change::RdtL3Data(ways) | Change::RdtL2(ways) => {
            f64::from(ways.mask.count_ones())
        }
        Change::RdtMb(limit) => f64::from(limit.value),
        Change::MemoryHigh(value) | Change::MemoryMax(value) => bytes(*value),
        Change::MemoryLow(value) => number(*value),
        Change::CpusetMemoryMigrate(_) | Change::MigratePages(_) | Change::RdtGroup(_) | Change::Release(_) => {
            return None;
        }
    })
}

fn shown(kind: Kind, measure: f64) -> String {
    match kind {
        Kind::MemoryHigh | Kind::MemoryMax if measure.is_infinite() => "without a limit".into(),
        _ => measure.to_string(),
    }
}

/// What a range of this kind counts, as a word behind the number.
fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::CpusetCpus => " processors",
        Kind::CpusetMems => " nodes",
        Kind::RdtL3 | Kind::RdtL3Code | Kind::RdtL3Data | Kind::RdtL2 => " ways",
        _ => "",
    }
}

/// The same change with a number at the end of a range. Ways and processors are taken away, but never added: which ones would be
/// nobody's choice.
fn nearest(change: &Change, to: f64, is_above: bool) -> Option<Change> {
    let whole = if is_above { to.floor() } else { to.ceil() };
    let small = || to_u32(whole);
    let ids = |ids: &[u32]| {
        let distinct: BTreeSet<u32> = ids.iter().copied().collect();
        let most = small()? as usize;
        (is_above && most > 0).then(|| distinct.into_iter().take(most).collect::<Vec<u32>>())
    };
    let ways = |ways: Ways| {
        let most = small()?;
        let mask = lowest(ways.mask, most);
        (is_above && mask != 0).then_some(Ways { mask, ..ways })
    };
    let bytes = || if whole.is_infinite() { Some(None) } else { to_u64(whole).map(Some) };
    Some(match change {
        Change::CpuQuota(_) => Change::CpuQuota(to),
        Change::CpuShares(_) => Change::CpuShares(to),
        Change::CpuWeight(_) => Change::CpuWeight(small()?),
        Change::IoWeight(_) => Change::IoWeight(small()?),
        Change::CpusetCpus(cpus) => Change::CpusetCpus(ids(cpus)?),
        Change::CpusetMems(nodes) => Change::CpusetMems(ids(nodes)?),
        Change::RdtL3(mask) => Change::RdtL3(ways(*mask)?),
        Change::RdtL3Code(mask) => Change::RdtL3Code(ways(*mask)?),
        Change::RdtL3Data(mask) => Change::RdtL3Data(ways(*mask)?),
        Change::RdtL2(mask) => Change::RdtL2(ways(*mask)?),
        Change::RdtMb(limit) => Change::RdtMb(Limit { value: small()?, ..*limit }),
        Change::MemoryHigh(_) => Change::MemoryHigh(bytes()?),
        Change::MemoryMax(_) => Change::MemoryMax(bytes()?),
        Change::MemoryLow(_) => Change::MemoryLow(to_u64(whole)?),
        Change::CpusetMemoryMigrate(_) | Change::MigratePages(_) | Change::RdtGroup(_) | Change::Release(_) => {
            return None;
        }
    })
}

fn subset(
    kind: Kind,
    ids: &[u32],
    allowed: Option<&BTreeSet<u32>>,
    change: impl FnOnce(Vec<u32>) -> Change,
) -> Result<(), Out> {
    let Some(allowed) = allowed else { return Ok(()) };
    let Some(outside) = ids.iter().find(|id| !allowed.contains(id)) else { return Ok(()) };
    let inside: BTreeSet<u32> = ids.iter().copied().filter(|id| allowed.contains(id)).collect();
    let there = ranges(allowed.iter().copied());
    Err(Out {
        what: format!("{} names {outside}; allowed: {there}", kind.as_str()),
        nearest: (!inside.is_empty()).then(|| change(inside.into_iter().collect())),
    })
}

fn within(
    kind: Kind,
    ways: Ways,
    allowed: &BTreeMap<u32, u64>,
    change: impl FnOnce(Ways) -> Change,
) -> Result<(), Out> {
    let Some(allowed) = allowed.get(&ways.domain) else { return Ok(()) };
    if ways.mask & !allowed == 0 {
        return Ok(());
    }
    let inside = ways.mask & allowed;
    let (kind, Ways { domain, mask }) = (kind.as_str(), ways);
    Err(Out {
        what: format!("{kind} mask {mask:x} in domain {domain} has ways outside of {allowed:x}"),
        nearest: (inside != 0).then(|| change(Ways { mask: inside, ..ways })),
    })
}

/// The lowest ways of a mask, so many of them.
fn lowest(mut mask: u64, most: u32) -> u64 {
    while mask.count_ones() > most {
        mask &= !(1 << (u64::BITS - 1 - mask.leading_zeros()));
    }
    mask
}

#[allow(clippy::cast_precision_loss, reason = "a bound is a number that a person wrote")]
fn number(bytes: u64) -> f64 {
    bytes as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
fn to_u64(whole: f64) -> Option<u64> {
    (0.0..9.2e18).contains(&whole).then_some(whole as u64)
}

fn to_u32(whole: f64) -> Option<u32> {
    to_u64(whole.min(f64::from(u32::MAX))).and_then(|whole| u32::try_from(whole).ok())
}
