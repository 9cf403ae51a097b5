//! Memory modules by their SMBIOS structures (DSP0134, section 7.18 "Memory Device (Type 17)").

use super::smbios::Structure;

/// What a memory module is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Memory that forgets.
    Ram,
    /// Memory that does not: NVDIMM and the like.
    Persistent,
}

/// A memory module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) kind: Kind,
    /// Its size; none where it does not say.
    pub(super) bytes: Option<u64>,
    /// Most transfers per second, in millions, as the module is rated; none where it does not say.
    pub(super) megatransfers: Option<u32>,
    /// Bits of data in one transfer; none where it does not say.
    pub(super) data_bits: Option<u16>,
}

/// All modules of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) count: u32,
    /// Their size; none where one does not say its own.
    pub(super) bytes: Option<u64>,
}

const MEMORY_DEVICE: u8 = 17;

// Offsets of the fields.
const DATA_WIDTH: usize = 0x0a;
const SIZE: usize = 0x0c;
const MEMORY_TYPE: usize = 0x12;
const TYPE_DETAIL: usize = 0x13;
const SPEED: usize = 0x15;
const EXTENDED_SIZE: usize = 0x1c;
const TECHNOLOGY: usize = 0x28;
const EXTENDED_SPEED: usize = 0x54;

/// The memory modules that are plugged; empty slots are none.
pub(super) fn modules(structures: &[Structure<'_>]) -> Vec<Module> {
    structures.iter().filter(|structure| structure.kind == MEMORY_DEVICE).filter_map(module).collect()
}

fn module(device: &Structure<'_>) -> Option<Module> {
    let known = |word: u16| (word != 0 && word != u16::MAX).then_some(word);
    Some(Module {
        kind: kind(device)?,
        bytes: bytes(device)?,
        megatransfers: match device.word(SPEED) {
            Some(u16::MAX) => {
                device.double_word(EXTENDED_SPEED).map(|speed| speed & 0x7fff_ffff).filter(|speed| *speed > 0)
            }
            speed => speed.and_then(known).map(u32::from),
        },
        data_bits: device.word(DATA_WIDTH).and_then(known),
    })
}

/// The size, the inner none where it is unknown; the outer none where nothing is plugged.
fn bytes(device: &Structure<'_>) -> Option<Option<u64>> {
    const MEBIBYTE: u64 = 1 << 20;
    Some(match device.word(SIZE)? {
        0 => return None,
        u16::MAX => None,
        0x7fff => Some(u64::from(device.double_word(EXTENDED_SIZE)? & 0x7fff_ffff) * MEBIBYTE),
        // The highest bit tells the unit.
        kibibytes if kibibytes & 0x8000 != 0 => Some(u64::from(kibibytes & 0x7fff) * 1_024),
        mebibytes => Some(u64::from(mebibytes) * MEBIBYTE),
    })
}

/// None for what is no memory of the processors: ROM, flash of the firmware, and memory of graphics.
fn kind(device: &Structure<'_>) -> Option<Kind> {
    const NON_VOLATILE: u16 = 1 << 12;
    const LOGICAL_NON_VOLATILE: u8 = 0x1f;
    let memory_type = device.byte(MEMORY_TYPE)?;
    if matches!(memory_type, 0x05 | 0x06 | 0x08..=0x0c) {
        return None;
    }
    let is_non_volatile = device.word(TYPE_DETAIL).is_some_and(|detail| detail & NON_VOLATILE != 0);
    // NVDIMM-N, NVDIMM-F, NVDIMM-P, Intel Optane persistent memory.
    let is_nvdimm = device.byte(TECHNOLOGY).is_some_and(|technology| (4..=7).contains(&technology));
    let is_persistent = is_non_volatile || is_nvdimm || memory_type == LOGICAL_NON_VOLATILE;
    Some(if is_persistent { Kind::Persistent } else { Kind::Ram })
}

/// How many modules of a kind there are, and their size.
pub(super) fn total(modules: &[Module], kind: Kind) -> Total {
    let of_kind = || modules.iter().filter(|module| module.kind == kind);
    Total {
        count: u32::try_from(of_kind().count()).unwrap_or(u32::MAX),
        bytes: of_kind().try_fold(0u64, |sum, module| sum.checked_add(module.bytes?)),
    }
}

/// Bytes per second that all modules of ram together can transfer by their rated speeds; none where one does not say its own,
/// or there is none.
pub(super) fn ram_speed(modules: &[Module]) -> Option<f64> {
    let mut speeds = modules.iter().filter(|module| module.kind == Kind::Ram).map(speed).peekable();
    speeds.peek()?;
    speeds.sum()
}

fn speed(module: &Module) -> Option<f64> {
    // All DIMMs that have a rated speed carry 64 bits of data.
    let bytes = f64::from(module.data_bits.unwrap_or(64)) / 8.0;
    Some(exact(module.megatransfers?) * 1e6 * bytes)
}

/// Rated speeds are multiples of 133⅓ MT/s that firmware rounds, up or down: DDR4-2666 and DDR4-2667 both make 2,666⅔.
fn exact(megatransfers: u32) -> f64 {
    const STEP: f64 = 400.0 / 3.0;
    let rounded = f64::from(megatransfers);
    let nearest = (rounded / STEP).round() * STEP;
    if (nearest - rounded).abs() < 1.0 { nearest } else { rounded }
}
