//! Values that can be written: where each stands, what stands there, writing it.
//!
//! Every value is text in the form in which its file shows it, so that what was written can be compared with what was read back.

mod canonical;
mod cgroup_file;
mod controller;
mod resctrl;
mod spot;

pub use canonical::canonical;
pub use resctrl::{ABSENT, Listed, Locked, MADE, way_text};
pub use spot::Spot;

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::cgroup::Hierarchies;
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
    /// # Errors
    /// [`KernelError::Write`] with the file, the value and what the kernel said.
    pub fn write(&self, spot: &Spot, value: &str) -> Result<(), KernelError> {
        match spot {
            Spot::Cgroup { mount, cgroup, file } => {
                cgroup_file::write(&self.hierarchies, &self.roots, mount, cgroup, file, value)
            }
            Spot::Controller { mount, cgroup, controller } => {
                controller::write(&self.hierarchies, &self.roots, mount, cgroup, controller, value)
            }
            Spot::Group { .. } | Spot::Schemata { .. } | Spot::Threads { .. } => resctrl::write(self, &[(spot, value)]),
        }
    }
}
