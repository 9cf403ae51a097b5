//! Where resctrl is mounted, and what it can count.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open};

use crate::files::read_optional;
use crate::mountinfo::mounts;
use crate::text::lines;
use crate::{KernelError, Roots};

/// Where it is usually mounted; the directory is there wherever the kernel has it.
pub(super) const USUAL: &str = "/sys/fs/resctrl";

/// What a monitoring group counts, in the order in which it is read: local before total, so that what a task does between
/// the two readings is remote rather than less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Bytes from and to memory of the domain's own node, since the group was made.
    Local,
    /// Bytes from and to memory, since the group was made.
    Total,
    /// Bytes of the cache that lines of the group take now.
    Occupancy,
}

impl Event {
    /// All that are known of. The others of info/L3_MON/mon_features configure these.
    pub(super) const ALL: [Self; 3] = [Self::Local, Self::Total, Self::Occupancy];

    /// Its name in mon_features, and that of its file in each domain of mon_data.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Local => "mbm_local_bytes",
            Self::Total => "mbm_total_bytes",
            Self::Occupancy => "llc_occupancy",
        }
    }
}

/// A mounted resctrl that can count something.
pub(super) struct Mounted {
    /// Where, below the root that was given.
    pub path: PathBuf,
    /// Its root directory, open for reading so that it can be locked.
    pub root: OwnedFd,
    /// What each group counts.
    pub events: Vec<Event>,
}

/// Why nothing is counted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Absence {
    /// The kernel has it and nobody mounted it.
    #[error(
        "resctrl is not mounted at {path}: `mount -t resctrl resctrl {path}`, or write `rdt_enabled: false`",
        path = path.display()
    )]
    NotMounted {
        /// Where it belongs.
        path: PathBuf,
    },
    /// The kernel or the processor does not have it.
    #[error(
        "{path} is not there: this processor has no RDT or QoS, its virtual machine hides it, or the kernel was built \
         without CONFIG_X86_CPU_RESCTRL or started without `rdt=`",
        path = path.display()
    )]
    NotThere {
        /// Where it would be.
        path: PathBuf,
    },
    /// It is mounted, and the processor limits but does not count.
    #[error(
        "{path} lists none of llc_occupancy, mbm_total_bytes and mbm_local_bytes: this processor does not count them, or \
         the kernel was started with `rdt=!cmt,!mbmtotal,!mbmlocal`",
        path = path.display()
    )]
    CountsNothing {
        /// The file that would list what is counted.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// Finds it.
pub(super) fn find(roots: &Roots) -> Result<Mounted, Absence> {
    let mounts = mounts(roots, &["resctrl"])?;
    // One kernel has one resctrl; of several mounts the last one lies on top.
    let Some(mount) = mounts.last() else {
        let path = PathBuf::from(USUAL);
        return Err(if roots.path(USUAL).exists() { Absence::NotMounted { path } } else { Absence::NotThere { path } });
    };
    let path = roots.path(&mount.point);
    let features = path.join("info/L3_MON/mon_features");
    let listed = read_optional(&features)?.unwrap_or_default();
    let is_listed = |event: &Event| lines(&listed).any(|line| line.trim_ascii() == event.file().as_bytes());
    let events: Vec<Event> = Event::ALL.into_iter().filter(is_listed).collect();
    if events.is_empty() {
        return Err(Absence::CountsNothing { path: features });
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(&path, flags, Mode::empty())
        .map_err(|error| KernelError::Read { path: path.clone(), source: error.into() })?;
    Ok(Mounted { path, root, events })
}
