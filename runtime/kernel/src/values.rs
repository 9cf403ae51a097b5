//! Values that can be written: where each stands, what stands there, writing it.
//!
//! Every value is text in the form in which its file shows it, so that what was written can be compared with what was read back.

mod canonical;
mod cgroup_file;
mod controller;
mod delegation;
mod everything;
mod resctrl;
mod spot;
mod subtree;

pub use canonical::{canonical, numbers};
pub use resctrl::{ABSENT, Listed, Locked, MADE, way_text};
pub use spot::Spot;

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::cgroup::{Hierarchies, Hierarchy};
use crate::{KernelError, Roots};

/// Reads and writes values. Nothing stays open: a value is written once in a long while.
#[derive(Clone, Debug)]
pub struct Values {
    roots: Roots,
    hierarchies: Hierarchies,
    /// Where resctrl is mounted, once it was found.
    resctrl: OnceLock<PathBuf>,
}

impl Values {
    /// Values of this machine's cgroups and of its resctrl.
    ///
    /// # Errors
    /// Where the mounts cannot be read.
    pub fn find(roots: &Roots) -> Result<Self, KernelError> {
        Ok(Self { roots: roots.clone(), hierarchies: Hierarchies::find(roots)?, resctrl: OnceLock::new() })
    }

    /// The cgroup hierarchies.
    #[must_use]
    pub fn hierarchies(&self) -> &Hierarchies {
        &self.hierarchies
    }

    /// Where the kernel's files are.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Where a hierarchy is mounted, as a [`Spot`] names it.
    #[must_use]
    pub fn mount_of(&self, hierarchy: &Hierarchy) -> String {
        let root = self.roots.path("/");
        let point = hierarchy.dir.strip_prefix(&root).unwrap_or(&hierarchy.dir);
        format!("/{}", point.display())
    }

    /// Paths of all cgroups below one, as tasks have them, each behind the one above it.
    ///
    /// # Errors
    /// [`KernelError::CgroupPath`] where `cgroup` is none, or where more than 1000 are below it.
    pub fn below(&self, mount: &str, cgroup: &str) -> Result<Vec<String>, KernelError> {
        subtree::below(&self.hierarchies, &self.roots, mount, cgroup)
    }

    /// Paths of the children of a cgroup, by name; none where it is not there.
    ///
    /// # Errors
    /// [`KernelError::CgroupPath`] where `cgroup` is none.
    pub fn children(&self, mount: &str, cgroup: &str) -> Result<Vec<String>, KernelError> {
        subtree::children(&self.hierarchies, &self.roots, mount, cgroup)
    }

    /// Whether systemd manages what this cgroup hands down to its children, and has left it to nobody (`Delegate=`).
    #[must_use]
    pub fn is_systemds(&self, mount: &str, cgroup: &str) -> bool {
        delegation::is_systemds(&self.hierarchies, &self.roots, mount, cgroup)
    }

    /// What still needs a controller that is enabled for the children of a cgroup: a file of one of them whose value is another than
    /// the kernel's first, or a child that hands it on.
    #[must_use]
    pub fn user_of_controller(&self, mount: &str, cgroup: &str, controller: &str) -> Option<Spot> {
        controller::user(&self.hierarchies, &self.roots, mount, cgroup, controller)
    }

    /// Which life of the cgroup or group of a value there is: made again under the same name, it has another number. None
    /// where it is not there.
    #[must_use]
    pub fn life(&self, spot: &Spot) -> Option<u64> {
        match spot {
            Spot::Cgroup { mount, cgroup, .. } | Spot::Controller { mount, cgroup, .. } => {
                cgroup_file::life(&self.hierarchies, &self.roots, mount, cgroup)
            }
            Spot::Group { .. } | Spot::Schemata { .. } | Spot::Threads { .. } => resctrl::life(self, spot),
        }
    }

    /// What stands there now, in canonical form.
    ///
    /// # Errors
    /// [`KernelError::Read`] and [`KernelError::Malformed`] with the file.
    pub fn read(&self, spot: &Spot) -> Result<String, KernelError> {
        match spot {
            Spot::Cgroup { mount, cgroup, file } => {
                let text = cgroup_file::read(&self.hierarchies, &self.roots, mount, cgroup, file)?;
                Ok(canonical(spot, &text))
            }
            Spot::Controller { mount, cgroup, controller } => {
                controller::read(&self.hierarchies, &self.roots, mount, cgroup, controller)
            }
            Spot::Group { .. } | Spot::Schemata { .. } | Spot::Threads { .. } => resctrl::read(self, spot),
        }
    }

    /// Writes a value. What the kernel made of it, [`Values::read`] tells.
    ///
    /// An empty list of processors or NUMA nodes, with which a cgroup of v2 has what the one above it has, is not taken by the kernel
    /// while processes are in the cgroup: all that this machine can have are written instead, which comes to the same.
    ///
    /// # Errors
    /// [`KernelError::Write`] with the file, the value and what the kernel said.
    pub fn write(&self, spot: &Spot, value: &str) -> Result<(), KernelError> {
        match spot {
            Spot::Cgroup { mount, cgroup, file } => {
                let write =
                    |value: &str| cgroup_file::write(&self.hierarchies, &self.roots, mount, cgroup, file, value);
                match write(value) {
                    Err(error) if value.is_empty() => match everything::instead_of_nothing(&self.roots, file, &error) {
                        Some(all) => write(&all),
                        None => Err(error),
                    },
                    result => result,
                }
            }
            Spot::Controller { mount, cgroup, controller } => {
                controller::write(&self.hierarchies, &self.roots, mount, cgroup, controller, value)
            }
            Spot::Group { .. } | Spot::Schemata { .. } | Spot::Threads { .. } => resctrl::write(self, &[(spot, value)]),
        }
    }
}
