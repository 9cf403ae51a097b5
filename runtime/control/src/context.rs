//! What a plan may look at.

use wca_kernel::values::Values;
use wca_model::Platform;

use crate::journal::Journal;
use crate::settings::Settings;
use crate::tasks::Tasks;

/// What a plan may look at. Planning writes nothing.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The kernel.
    pub(crate) values: &'a Values,
    /// The machine.
    pub(crate) platform: &'a Platform,
    /// What the operator has decided.
    pub(crate) settings: &'a Settings,
    /// The tasks of the last roster.
    pub(crate) tasks: &'a Tasks,
    /// What is held.
    pub(crate) journal: &'a Journal,
}
