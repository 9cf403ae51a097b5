//! One who changes things, and can take everything back.

mod batch;
mod judge;
mod make;

use std::path::{Path, PathBuf};

use wca_kernel::values::{Spot, Values};
use wca_kernel::{KernelError, Roots};
use wca_model::{InForce, Platform};

use crate::absent::Absent;
use crate::adopt::adopt;
use crate::context::Context;
use crate::foreign::ForeignWrites;
use crate::held::Held;
use crate::journal::{Journal, JournalError};
use crate::kinds;
use crate::ledger::Ledger;
use crate::pages::Pages;
use crate::policy::Policy;
use crate::railed::RailKeeper;
use crate::restore::Restored;
use crate::settings::Settings;
use crate::tasks::Tasks;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Changes cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The journal cannot be had.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
    /// The kernel cannot be asked.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Nobody can tell this boot from another.
    #[error("{path}: {source}: values of another boot could not be told from those of this one")]
    Boot {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// What stood in the journal at a start.
#[derive(Debug, Default)]
pub struct Opened {
    /// What was put back, since no policy of today had asked for it.
    pub restored: Restored,
    /// Values that wait for their policies.
    pub adopted: usize,
    /// Values of an earlier boot.
    pub lost: Vec<Held>,
}

/// The values in the journal of this folder, of whichever process, as far as they are of this boot. Nothing is changed.
///
/// # Errors
/// [`ControlError`].
pub fn held_in(roots: &Roots, folder: &Path) -> Result<Vec<Held>, ControlError> {
    Ok(Journal::peek(folder, &boot(roots)?)?)
}

/// Makes changes, and takes them back.
#[derive(Debug)]
pub struct Control {
    pub(crate) values: Values,
    pub(crate) journal: Journal,
    pub(crate) settings: Settings,
    pub(crate) policies: Vec<Policy>,
    pub(crate) foreign: ForeignWrites,
    pub(crate) pages: Pages,
    pub(crate) absent: Absent,
    pub(crate) ledger: Ledger,
    rails: RailKeeper,
    pub(crate) is_frozen: bool,
}
impl Control {
    /// With a journal in this folder, which is locked for this process; without a folder nothing outlives this process.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn open(
        roots: &Roots,
        folder: Option<PathBuf>,
        settings: Settings,
        policies: Vec<Policy>,
    ) -> Result<(Self, Opened), ControlError> {
        let values = Values::find(roots)?;
        let (mut journal, lost) = match folder {
            Some(folder) => Journal::open(&folder, &boot(roots)?)?,
            None => (Journal::in_memory(), Vec::new()),
        };
        let restored = adopt(&policies, settings.adopt_ticks, &values, &mut journal);
        let adopted = journal.iter().count();
        let (foreign, pages) = (ForeignWrites::default(), Pages::default());
        let (absent, ledger, rails) = (Absent::default(), Ledger::default(), RailKeeper::default());
        let control =
            Self { values, journal, settings, policies, foreign, pages, absent, ledger, rails, is_frozen: false };
        Ok((control, Opened { restored, adopted, lost }))
    }

    /// What is in force of each task, in their order.
    #[must_use]
    pub fn in_force(&self, tasks: &Tasks, platform: &Platform) -> Vec<InForce> {
        let context =
            Context { values: &self.values, platform, settings: &self.settings, tasks, journal: &self.journal };
        let mut reader = kinds::in_force::Reader::new(&context);
        tasks.iter().map(|task| reader.of(task)).collect()
    }

    /// The policy with this number.
    #[must_use]
    pub fn policy(&self, number: u32) -> Option<&Policy> {
        self.policies.get(number as usize)
    }

    /// The number of a policy; none where the operator names it no more.
    #[must_use]
    pub fn number_of(&self, policy: &Policy) -> Option<u32> {
        let at = self.policies.iter().position(|known| known == policy)?;
        u32::try_from(at).ok()
    }

    /// What the operator has decided.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether nothing is to be changed until the operator says so.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// Whether nobody asks any more for what is held there, and it goes back when changes are thawed.
    #[must_use]
    pub fn goes_back(&self, spot: &Spot) -> bool {
        self.is_frozen && self.journal.get(spot).is_some_and(|entry| entry.adopted == Some(0))
    }

    /// What is held.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.journal.iter().map(|entry| &entry.held)
    }

    /// Bytes that were moved to other NUMA nodes.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.pages.moved_bytes()
    }

    /// What others have changed.
    #[must_use]
    pub fn foreign_writes(&self) -> &ForeignWrites {
        &self.foreign
    }
}
fn boot(roots: &Roots) -> Result<String, ControlError> {
    let path = roots.path(BOOT_ID);
    let text = std::fs::read_to_string(&path).map_err(|source| ControlError::Boot { path, source })?;
    Ok(text.trim().to_owned())
}
