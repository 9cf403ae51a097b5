//! Whether one change, alone, can be asked for on this machine.

use wca_model::{Change, Platform, Refusal};

/// Judges one change by its ranges and by what the machine can do. Whether the task exists is asked elsewhere.
///
/// # Errors
/// [`Refusal::Invalid`] with what would be right, or [`Refusal::Unsupported`] with what the machine lacks.
pub fn validate(_change: &Change, _platform: &Platform) -> Result<(), Refusal> {
    Ok(())
}
