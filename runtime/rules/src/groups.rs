//! Which control group each task gets, when all do not get one.

use std::collections::{BTreeMap, BTreeSet};

use crate::resctrl::Cells;

/// What one task wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The group that it names; none: one of its own. The empty name is the root group.
    pub named: Option<String>,
    /// Everything that a group of its own shall have; unused of a named one.
    pub cells: Cells,
    /// The group in which WCA has put it, if it has.
    pub now: Option<String>,
}

/// A control group that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What WCA has set in it.
    pub cells: Cells,
    /// Whether WCA has made it, so that it goes with its last task.
    pub is_ours: bool,
    /// Whether it is one that WCA has named, for tasks that wanted one of their own.
    pub is_own: bool,
    /// Tasks in it that nothing is asked for now.
    pub others: usize,
}

/// The groups of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// How many there can be, the root one included.
    pub limit: u32,
    /// Those that there are, by name, without the root one.
    pub there: BTreeMap<String, Known>,
}

/// Names at most so many groups in a refusal.
const NAMED: usize = 8;

/// The group of each wish, or why there is none for it.
///
/// Groups that there are come first, then wishes by their order: with the same wishes the answer stays the same. As long as CLOSIDs
/// last, each task that wants a group of its own gets one. Where they do not, tasks with equal cells share one, if `may_share` says
/// so of these, and those share that have had groups apart. `name` names a group of its own for a wish, another one for each further try.
pub fn place(
    wishes: &[Wish],
    groups: &Groups,
    may_share: impl Fn(&Cells) -> bool,
    name: impl Fn(usize, u64) -> Option<String>,
) -> Vec<Result<String, String>> {
    let mut plan = Placing { wishes, groups, placed: vec![None; wishes.len()], own: BTreeMap::new() };
    plan.stay();
    let needy: Vec<usize> = (0..wishes.len()).filter(|at| plan.placed[*at].is_none()).collect();
    let named: BTreeSet<&str> = needy.iter().filter_map(|at| wishes[*at].named.as_deref()).collect();
    let own = needy.iter().filter(|at| wishes[**at].named.is_none()).count();
    let is_scarce = named.len() + own > plan.free();
    if is_scarce {
        plan.merge(&may_share);
    }
    let mut free = plan.free();
    let mut made: BTreeSet<String> = BTreeSet::new();
    let mut refused: BTreeMap<usize, String> = BTreeMap::new();
    for at in needy {
        let wish = &wishes[at];
        if let Some(named) = wish.named.as_ref().filter(|named| made.contains(*named)) {
            plan.placed[at] = Some(named.clone());
            continue;
        }
        let shares = is_scarce && wish.named.is_none() && may_share(&wish.cells);
        let equal = plan.own.iter().find(|(_, cells)| shares && **cells == wish.cells);
        if let Some((equal, _)) = equal {
            plan.placed[at] = Some(equal.clone());
            continue;
        }
        if free == 0 {
            refused.insert(at, plan.none_left(&made));
            continue;
        }
        let is_taken = |name: &String| groups.there.contains_key(name) || made.contains(name);
        let free_name = || (0..=u64::from(groups.limit)).map_while(|turn| name(at, turn)).find(|name| !is_taken(name));
        let Some(name) = wish.named.clone().or_else(free_name) else {
            refused.insert(at, "its cgroup is gone".into());
            continue;
        };
        free -= 1;
        if wish.named.is_none() {
            plan.own.insert(name.clone(), wish.cells.clone());
        }
        made.insert(name.clone());
        plan.placed[at] = Some(name);
    }
    let answer = |(at, placed): (usize, Option<String>)| match (placed, refused.remove(&at)) {
        (Some(group), _) => Ok(group),
        (None, why) => Err(why.unwrap_or_default()),
    };
    plan.placed.into_iter().enumerate().map(answer).collect()
}

struct Placing<'a> {
    wishes: &'a [Wish],
    groups: &'a Groups,
    placed: Vec<Option<String>>,
    /// Groups of tasks' own, with the cells that they are to have.
    own: BTreeMap<String, Cells>,
}

impl Placing<'_> {
    /// Those that need no group to be made.
    fn stay(&mut self) {
        let kept = self.groups.there.iter().filter(|(_, known)| known.is_own && known.others > 0);
        self.own.extend(kept.map(|(name, known)| (name.clone(), known.cells.clone())));
        for (wish, placed) in self.wishes.iter().zip(&mut self.placed) {
            let is_there = |name: &&String| name.is_empty() || self.groups.there.contains_key(*name);
            *placed = wish.named.as_ref().filter(is_there).cloned();
        }
        let own_now = |wish: &Wish| {
            let now = wish.now.as_ref().filter(|_| wish.named.is_none())?;
            self.groups.there.get(now).filter(|known| known.is_own).map(|known| (now.clone(), known))
        };
        // Those that want what they have, before those that want something else of the same group.
        for is_same in [true, false] {
            for (wish, placed) in self.wishes.iter().zip(&mut self.placed) {
                let Some((now, known)) = own_now(wish).filter(|_| placed.is_none()) else { continue };
                if is_same && known.cells != wish.cells {
                    continue;
                }
                if self.own.entry(now.clone()).or_insert_with(|| wish.cells.clone()) == &wish.cells {
                    *placed = Some(now);
                }
            }
        }
    }

    /// How many groups can be made, once those are removed that lose their last task.
    fn free(&self) -> usize {
        let lasts = |(name, known): &(&String, &Known)| {
            !known.is_ours || known.others > 0 || self.placed.iter().flatten().any(|placed| placed == *name)
        };
        let lasting = self.groups.there.iter().filter(lasts).count();
        (self.groups.limit as usize).saturating_sub(1 + lasting)
    }

    /// Puts tasks together whose groups have equal cells.
    fn merge(&mut self, may_share: &impl Fn(&Cells) -> bool) {
        let is_fixed = |name: &String| self.groups.there.get(name).is_some_and(|known| known.others > 0);
        let mut names: Vec<String> = self.own.keys().cloned().collect();
        names.sort_by_key(|name| !is_fixed(name));
        let mut first: BTreeMap<Cells, String> = BTreeMap::new();
        for name in names {
            let Some(cells) = self.own.get(&name).filter(|cells| may_share(cells)).cloned() else { continue };
            match first.get(&cells) {
                None => {
                    first.insert(cells, name);
                }
                Some(first) if !is_fixed(&name) => {
                    self.placed.iter_mut().flatten().filter(|placed| **placed == name).for_each(|placed| {
                        placed.clone_from(first);
                    });
                    self.own.remove(&name);
                }
                Some(_) => {}
            }
        }
    }

    fn none_left(&self, made: &BTreeSet<String>) -> String {
        let limit = self.groups.limit;
        let is_used = |name: &&String| {
            self.groups.there.get(*name).is_some_and(|known| !known.is_ours || known.others > 0)
                || self.placed.iter().flatten().any(|placed| placed == *name)
        };
        let used: BTreeSet<&str> = self.groups.there.keys().filter(is_used).chain(made).map(String::as_str).collect();
        let more = used.len().saturating_sub(NAMED);
        let named: Vec<&str> = used.into_iter().take(NAMED).collect();
        let and_more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "no CLOSID is left for a group: of {limit}, the root group has one, and {}{and_more} have the others",
            named.join(", ")
        )
    }
}

#[cfg(test)]
mod tests;
