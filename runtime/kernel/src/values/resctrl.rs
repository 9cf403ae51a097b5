//! Values of resctrl: groups, schemata, and who is in which group.

use super::{Spot, Values};
use crate::resctrl::{Cell, ControlGroups, NOBODY, cell_text, group_name, is_ours, of_one_group};
use crate::{KernelError, identity};

pub use crate::resctrl::{Listed, Locked};

/// Value of [`Spot::Group`] where there is no such group.
pub const ABSENT: &str = "absent";
/// Value of [`Spot::Group`] that makes it. Read back, the number of its directory stands behind it.
pub const MADE: &str = "made";

/// A value of [`Spot::Schemata`], as it is compared.
#[must_use]
pub fn way_text(resource: &str, domain: u32, value: u64) -> String {
    cell_text(&Cell { resource, domain }, value)
}

impl Values {
    fn groups(&self) -> Result<ControlGroups, KernelError> {
        ControlGroups::open(self.roots(), &self.resctrl)
    }

    /// Keeps other programs and other parts of this one from changing resctrl, as long as the answer is kept; none for values
    /// that need no lock.
    ///
    /// # Errors
    /// [`KernelError::Read`] where another program has it for longer than two seconds, or resctrl is not mounted.
    pub fn lock(&self, spot: &Spot) -> Result<Option<Locked>, KernelError> {
        match spot {
            Spot::Group { .. } | Spot::Schemata { .. } | Spot::Threads { .. } => self.groups()?.lock().map(Some),
            _ => Ok(None),
        }
    }

    /// Whether two values are written in one call.
    #[must_use]
    pub fn are_together(&self, one: &Spot, other: &Spot) -> bool {
        matches!(
            (one, other),
            (Spot::Schemata { group: one, .. }, Spot::Schemata { group: other, .. }) if one == other
        )
    }

    /// Writes values that are written in one call: all of them, or none.
    ///
    /// # Errors
    /// As [`Values::write`].
    pub fn write_together(&self, values: &[(&Spot, &str)]) -> Result<(), KernelError> {
        match values {
            [(Spot::Schemata { .. }, _), ..] => write(self, values),
            _ => values.iter().try_for_each(|(spot, value)| self.write(spot, value)),
        }
    }

    /// Whether what was read back is what was asked for.
    #[must_use]
    pub fn is_as_asked(&self, spot: &Spot, asked: &str, now: &str) -> bool {
        match spot {
            Spot::Group { .. } => asked == now || asked == MADE && now.starts_with(MADE),
            // Threads that came in the very moment are put where the others are by the next look.
            Spot::Threads { .. } => asked == now || now == NOBODY || now.strip_prefix('/') == Some(asked),
            _ => asked == now,
        }
    }

    /// Whether this stands there now. Costs less than [`Values::read`] where it does.
    ///
    /// # Errors
    /// As [`Values::read`].
    pub fn is_now(&self, spot: &Spot, value: &str) -> Result<bool, KernelError> {
        match (spot, of_one_group(value)) {
            (Spot::Threads { cgroup }, Some(group)) => {
                self.groups()?.has_all_threads(self.hierarchies(), cgroup, group)
            }
            _ => Ok(self.read(spot)? == value),
        }
    }

    /// Whether threads of a cgroup are in the root group that came into the cgroup later, and none is anywhere else but in the group
    /// in which the others are: nobody moved them.
    #[must_use]
    pub fn has_newcomers(&self, spot: &Spot, ours: &str, before: &str, found: &str) -> bool {
        let is_new = || found.strip_prefix('/') == Some(ours) || (before == NOBODY && found.is_empty());
        matches!(spot, Spot::Threads { .. }) && !ours.is_empty() && is_new()
    }

    /// Whether a value says that there is nobody whom it could be of.
    #[must_use]
    pub fn is_nobody(&self, spot: &Spot, value: &str) -> bool {
        matches!(spot, Spot::Threads { .. }) && value == NOBODY
    }

    /// Name of the control group that is one task's own; none where its cgroup is not there. Each turn gives another one, for
    /// where that of the turn before is in use.
    #[must_use]
    pub fn own_group(&self, cgroup: &str, turn: u64) -> Option<String> {
        identity(self.hierarchies(), cgroup).map(|identity| group_name(cgroup, identity.wrapping_add(turn)))
    }

    /// Whether a group has a name of the form of [`Values::own_group`].
    #[must_use]
    pub fn is_own_group(&self, name: &str) -> bool {
        is_ours(name)
    }

    /// Names of the control groups that there are, without the root one.
    ///
    /// # Errors
    /// [`KernelError::Read`], also where resctrl is not mounted.
    pub fn control_groups(&self) -> Result<Vec<String>, KernelError> {
        self.groups()?.names()
    }

    /// All groups of both sorts without the root one, with the threads that they list.
    ///
    /// # Errors
    /// [`KernelError::Read`], also where resctrl is not mounted.
    pub fn listed_groups(&self) -> Result<Vec<Listed>, KernelError> {
        self.groups()?.all()
    }

    /// As [`Values::lock`], for whatever is done to several groups.
    ///
    /// # Errors
    /// As [`Values::lock`].
    pub fn lock_groups(&self) -> Result<Locked, KernelError> {
        self.groups()?.lock()
    }

    /// Removes a group that [`Values::listed_groups`] has named under the same lock: nobody has put threads into it since.
    ///
    /// # Errors
    /// [`KernelError::Resctrl`].
    pub fn remove_group(&self, group: &Listed, _locked: &Locked) -> Result<(), KernelError> {
        self.groups()?.remove_path(&group.path)
    }
}

pub(super) fn life(values: &Values, spot: &Spot) -> Option<u64> {
    match spot {
        // Of a group itself its value says which it is.
        Spot::Group { .. } => values.groups().ok()?.inode(""),
        Spot::Schemata { group, .. } => values.groups().ok()?.inode(group),
        Spot::Threads { cgroup } => identity(values.hierarchies(), cgroup),
        _ => None,
    }
}

pub(super) fn read(values: &Values, spot: &Spot) -> Result<String, KernelError> {
    let groups = values.groups()?;
    match spot {
        Spot::Group { name } => {
            Ok(groups.inode(name).map_or_else(|| ABSENT.to_owned(), |inode| format!("{MADE}:{inode}")))
        }
        Spot::Schemata { group, resource, domain } => groups.cell(group, &Cell { resource, domain: *domain }),
        Spot::Threads { cgroup } => groups.of_threads(values.hierarchies(), cgroup),
        _ => Ok(String::new()),
    }
}

/// Several spots are all of one group's schemata.
pub(super) fn write(values: &Values, written: &[(&Spot, &str)]) -> Result<(), KernelError> {
    let groups = values.groups()?;
    let Some((first, value)) = written.first() else { return Ok(()) };
    match first {
        Spot::Group { name } if *value == ABSENT => groups.remove(name),
        Spot::Group { name } => groups.make(name),
        Spot::Threads { cgroup } => {
            // Of threads that were in several groups nobody knows which was where: all go to the first.
            let to = of_one_group(value).or_else(|| value.split('/').next()).unwrap_or_default();
            groups.move_threads(values.hierarchies(), cgroup, to)
        }
        Spot::Schemata { group, .. } => {
            let cells = written.iter().filter_map(|(spot, value)| match spot {
                Spot::Schemata { resource, domain, .. } => Some((Cell { resource, domain: *domain }, *value)),
                _ => None,
            });
            groups.write_cells(group, &cells.collect::<Vec<_>>())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
