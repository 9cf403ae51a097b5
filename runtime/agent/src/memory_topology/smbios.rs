//! The structures of an SMBIOS table
//! (DSP0134, <https://www.dmtf.org/standards/smbios>, section 6.1 "Structure standards").

/// A structure, without its strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Structure<'a> {
    /// Its type.
    pub(super) kind: u8,
    /// Its formatted area, from the header on: offsets are those of the specification. Older firmware leaves out fields
    /// that came later.
    formatted: &'a [u8],
}

/// A table is cut short, or what stands in it is no structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no structure at byte {at}")]
pub(super) struct Malformed {
    /// Where.
    at: usize,
}

/// Length of a structure's header: type, length, handle.
const HEADER: usize = 4;
/// The type of the last structure; what stands behind it is no part of the table.
const END_OF_TABLE: u8 = 127;

/// The structures of a table, in their order. Firmware before version 2.2 ends without the one that says so.
pub(super) fn structures(table: &[u8]) -> Result<Vec<Structure<'_>>, Malformed> {
    let mut structures = Vec::new();
    let mut at = 0;
    while let Some(rest) = table.get(at..).filter(|rest| !rest.is_empty()) {
        let (structure, length) = structure(rest).ok_or(Malformed { at })?;
        structures.push(structure);
        if structure.kind == END_OF_TABLE {
            break;
        }
        at += length;
    }
    Ok(structures)
}

/// The first structure, and its length with its strings, which end with two zeros.
fn structure(bytes: &[u8]) -> Option<(Structure<'_>, usize)> {
    let (kind, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let formatted = bytes.get(..length).filter(|_| length >= HEADER)?;
    let strings = bytes.get(length..)?.windows(2).position(|pair| pair == [0, 0])?;
    Some((Structure { kind, formatted }, length + strings + 2))
}

impl Structure<'_> {
    /// The byte at an offset; none where the structure is shorter. So the others, of which the first byte is the lowest.
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    pub(super) fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.array(at)?))
    }

    pub(super) fn double_word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.array(at)?))
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.formatted.get(at..at.checked_add(N)?)?.try_into().ok()
    }
}
