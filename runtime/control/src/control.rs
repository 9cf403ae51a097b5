//! One who changes things, and can take everything back.

mod batch;

use std::path::{Path, PathBuf};

use wca_kernel::values::Values;
use wca_kernel::{KernelError, Roots};
use wca_model::{Fate, InForce, Platform};

use crate::adopt::{adopt, expire};
use crate::apply::{Due, apply_task};
use crate::context::Context;
use crate::foreign::ForeignWrites;
use crate::held::Held;
use crate::journal::{Journal, JournalError};
use crate::kinds;
use crate::pages::Pages;
use crate::policy::Policy;
use crate::railed::RailKeeper;
use crate::restore::{self, Restored, put_back};
use crate::settings::{OnExit, Settings};
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
    values: Values,
    journal: Journal,
    settings: Settings,
    policies: Vec<Policy>,
    foreign: ForeignWrites,
    pages: Pages,
    rails: RailKeeper,
    is_frozen: bool,
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
        let rails = RailKeeper::default();
        let control = Self { values, journal, settings, policies, foreign, pages, rails, is_frozen: false };
        Ok((control, Opened { restored, adopted, lost }))
    }

    /// Gives back everything that a policy holds.
    pub fn release_policy(&mut self, policy: u32) -> Restored {
        let Some(policy) = self.policies.get(policy as usize) else { return Restored::default() };
        self.pages.forget_of(|other| other == policy);
        let held = self.journal.iter().filter(|entry| entry.held.owner.policy == *policy);
        let spots = held.map(|entry| entry.held.spot.clone()).collect();
        put_back(spots, &self.values, &mut self.journal)
    }

    /// Once in each interval: what others have changed, and what nobody has asked for again. What is to be said.
    pub fn tick(&mut self) -> Vec<String> {
        let mut told = self.foreign.look(&self.values, &mut self.journal, &self.settings, self.is_frozen);
        let (due, moved) = self.pages.ended(&self.values);
        told.extend(moved);
        if !self.is_frozen {
            for due in due {
                let cgroup = due.owner.cgroup.clone();
                if let Err(why) = self.apply_late(due) {
                    told.push(format!("{cgroup}: cpuset_mems, after its pages have moved: {why}"));
                }
            }
            let expired = expire(&self.values, &mut self.journal);
            if expired != Restored::default() {
                told.push(format!("values of an earlier start that no policy has asked for again: {expired}"));
            }
            told.extend(kinds::rdt::remove_unused(&self.values, &mut self.journal));
        }
        told
    }

    /// Writes what has waited, unless it became somebody else's meanwhile.
    fn apply_late(&mut self, due: Due) -> Result<(), String> {
        let place = self.policies.iter().position(|known| *known == due.owner.policy);
        let policy = place.and_then(|place| u32::try_from(place).ok()).ok_or("its policy has gone")?;
        for step in &due.planned.steps {
            self.is_free(policy, step, &due.owner)?;
        }
        let fates = apply_task(vec![due], &self.values, &mut self.journal);
        let failed =
            fates.into_iter().find_map(|(_, fate)| if let Fate::Failed(why) = fate { Some(why) } else { None });
        failed.map_or(Ok(()), Err)
    }

    /// At the start, before any policy: removes the groups of resctrl that the operator wants to be gone, and gives the root group
    /// what he wants it to have. What is to be said.
    ///
    /// # Errors
    /// What the operator has written is wrong, or the kernel refuses it.
    pub fn begin(&mut self, platform: &Platform) -> Result<Vec<String>, String> {
        kinds::rdt::begin(&self.values, platform, &self.settings, &mut self.journal)
    }

    /// Puts back everything.
    pub fn restore(&mut self) -> Restored {
        self.pages.forget_all();
        put_back(restore::all(&self.journal), &self.values, &mut self.journal)
    }

    /// The end: everything is put back or stays, as the operator has decided.
    pub fn end(&mut self) -> Option<Restored> {
        let restored = (self.settings.on_exit == OnExit::Restore).then(|| self.restore());
        restore::said(self.journal.close());
        restored
    }

    /// Nobody decides for now: everything is put back, or waits to be asked for again, as the operator has decided for the
    /// end.
    pub fn pause(&mut self) -> Option<Restored> {
        if self.settings.on_exit == OnExit::Restore {
            return Some(self.restore());
        }
        self.pages.forget_all();
        self.journal.adopt(self.settings.adopt_ticks);
        None
    }

    /// From now on.
    pub fn renew(&mut self, settings: Settings, policies: Vec<Policy>) -> Restored {
        self.settings = settings;
        self.policies = policies;
        let policies = &self.policies;
        let is_known = |policy: &Policy| policies.contains(policy) || kinds::rdt::is_operators(policy);
        self.pages.forget_of(|policy| !is_known(policy));
        let strangers = self.journal.iter().filter(|entry| !is_known(&entry.held.owner.policy));
        let strangers = strangers.map(|entry| entry.held.spot.clone()).collect();
        put_back(strangers, &self.values, &mut self.journal)
    }

    /// No changes until it is thawed; whether that is new.
    pub fn freeze(&mut self, is_frozen: bool) -> bool {
        if is_frozen {
            self.pages.forget_all();
        }
        std::mem::replace(&mut self.is_frozen, is_frozen) != is_frozen
    }

    /// What is in force of each task, in their order.
    #[must_use]
    pub fn in_force(&self, tasks: &Tasks, platform: &Platform) -> Vec<InForce> {
        let context =
            Context { values: &self.values, platform, settings: &self.settings, tasks, journal: &self.journal };
        let mut reader = kinds::in_force::Reader::new(&context);
        tasks.iter().map(|task| reader.of(task)).collect()
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
