//! The firmware's table of the machine's parts.

use crate::files::read_file;
use crate::{KernelError, Roots};

/// The SMBIOS table of the firmware, as the kernel has copied it (Documentation/ABI/testing/sysfs-firmware-dmi-tables): bytes
/// that the firmware has written, not understood here. Root alone may read it.
///
/// # Errors
/// [`KernelError::Read`] where the machine has none, as many virtual machines and boards of Arm, or this user may not.
pub fn smbios_table(roots: &Roots) -> Result<Vec<u8>, KernelError> {
    read_file(&roots.path("/sys/firmware/dmi/tables/DMI"))
}
