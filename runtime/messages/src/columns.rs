//! Columns in shared memory: the values of one snapshot.
//!
//! 64 bytes of header, then `rows` values for each column, then one value for each entry of the platform, all `f64` in the
//! machine's byte order. Memory of its own for each snapshot: it stays as it is for as long as anybody holds it.

#![allow(unsafe_code, reason = "mapping memory, and reading it as numbers; the memory is sealed")]

use std::os::fd::{AsFd, OwnedFd};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::sealed::{SealedError, checked_size, seal};

const MAGIC: u64 = u64::from_le_bytes(*b"wca-cols");
const LAYOUT: u32 = 1;
const HEADER: usize = 64;
/// Bound of one snapshot: 65,536 tasks with 500 columns.
const MOST: usize = HEADER + 65_536 * 500 * 8;

/// What stands before the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColumnsHeader {
    /// Number of the sample, from 1, over all agents of one warden.
    pub tick: u64,
    /// When the values were read, in seconds since 1970.
    pub timestamp: f64,
    /// Version of the roster that the rows follow.
    pub roster: u64,
    /// Version of the catalogue that the columns follow.
    pub catalog: u64,
    /// Number of tasks.
    pub rows: u32,
    /// Number of task columns.
    pub columns: u32,
    /// Number of values of the machine.
    pub platform: u32,
}

/// Columns could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// The memory is not what it should be.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// The memory holds something else.
    #[error("the columns are malformed: {0}")]
    Malformed(&'static str),
}

impl ColumnsHeader {
    fn value_count(&self) -> usize {
        self.rows as usize * self.columns as usize + self.platform as usize
    }

    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let words = [MAGIC, self.tick, self.timestamp.to_bits(), self.roster, self.catalog];
        for (at, word) in words.into_iter().enumerate() {
            bytes[at * 8..at * 8 + 8].copy_from_slice(&word.to_ne_bytes());
        }
        for (at, half) in [LAYOUT, self.rows, self.columns, self.platform].into_iter().enumerate() {
            bytes[40 + at * 4..44 + at * 4].copy_from_slice(&half.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ColumnsError> {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at * 8..at * 8 + 8]);
            u64::from_ne_bytes(word)
        };
        let half = |at: usize| {
            let mut half = [0; 4];
            half.copy_from_slice(&bytes[40 + at * 4..44 + at * 4]);
            u32::from_ne_bytes(half)
        };
        if word(0) != MAGIC {
            return Err(ColumnsError::Malformed("no header"));
        }
        if half(0) != LAYOUT {
            return Err(ColumnsError::Malformed("another layout"));
        }
        Ok(Self {
            tick: word(1),
            timestamp: f64::from_bits(word(2)),
            roster: word(3),
            catalog: word(4),
            rows: half(1),
            columns: half(2),
            platform: half(3),
        })
    }
}

/// Sealed memory with the columns of one snapshot.
///
/// # Errors
/// [`ColumnsError::Malformed`] where `values` are not as many as the header says; [`ColumnsError::Sealed`] where memory is
/// short.
pub fn write_columns(header: ColumnsHeader, values: &[f64]) -> Result<OwnedFd, ColumnsError> {
    if values.len() != header.value_count() {
        return Err(ColumnsError::Malformed("the number of values is not the header's"));
    }
    // SAFETY: f64 has no padding and every bit pattern of it is a valid u8 slice of 8 times the length; the slice lives
    // as long as `values`.
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
    Ok(seal("wca-columns", &[&header.to_bytes(), bytes])?)
}

/// The columns of one snapshot, mapped.
#[derive(Debug)]
pub struct MappedColumns {
    header: ColumnsHeader,
    start: *mut std::ffi::c_void,
    length: usize,
}

// SAFETY: the mapping is private to this value, read-only, and backed by memory that is sealed against every change.
unsafe impl Send for MappedColumns {}
// SAFETY: as above; sharing references only reads.
unsafe impl Sync for MappedColumns {}

impl MappedColumns {
    /// Maps the columns in `memory`.
    ///
    /// # Errors
    /// [`ColumnsError`] unless `memory` is sealed, within bounds, and as long as its header says.
    pub fn new(memory: impl AsFd) -> Result<Self, ColumnsError> {
        let length = checked_size(&memory, MOST)?;
        if length < HEADER {
            return Err(ColumnsError::Malformed("shorter than its header"));
        }
        // SAFETY: a new mapping at an address of the kernel's choice; the memory is sealed against writing and shrinking,
        // so its bytes never change and reading it cannot fault.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ,
                MapFlags::SHARED | MapFlags::POPULATE,
                memory.as_fd(),
                0,
            )
        }
        .map_err(|source| SealedError::System { call: "mmap of sealed memory", source })?;
        let mut mapped = Self {
            header: ColumnsHeader { tick: 0, timestamp: 0.0, roster: 0, catalog: 0, rows: 0, columns: 0, platform: 0 },
            start,
            length,
        };
        // SAFETY: the mapping is at least HEADER bytes long and lives as long as `mapped`.
        let head = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), HEADER) };
        let header = ColumnsHeader::from_bytes(head)?;
        if header.value_count() * 8 + HEADER != length {
            return Err(ColumnsError::Malformed("the number of values is not the header's"));
        }
        mapped.header = header;
        Ok(mapped)
    }

    /// What stands before the values.
    #[must_use]
    pub fn header(&self) -> ColumnsHeader {
        self.header
    }
}

impl AsRef<[f64]> for MappedColumns {
    fn as_ref(&self) -> &[f64] {
        // SAFETY: `new` has checked that this many values follow the header; pages are aligned far above 8 and HEADER is a
        // multiple of 8; every bit pattern is an f64; the memory never changes.
        unsafe {
            std::slice::from_raw_parts(self.start.cast::<u8>().add(HEADER).cast::<f64>(), self.header.value_count())
        }
    }
}

impl Drop for MappedColumns {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, unmapped once; no reference to it outlives `self`. It cannot fail for such a range.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(rows: u32, columns: u32, platform: u32) -> ColumnsHeader {
        ColumnsHeader { tick: 7, timestamp: 1.5, roster: 3, catalog: 4, rows, columns, platform }
    }

    #[test]
    fn values_come_back_as_they_were_written() {
        let values = [1.0, f64::NAN, -0.0, f64::INFINITY, 5.0];
        let memory = write_columns(header(2, 2, 1), &values).unwrap();
        let mapped = MappedColumns::new(&memory).unwrap();
        drop(memory);
        assert_eq!(mapped.header(), header(2, 2, 1));
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(mapped.as_ref()), bits(&values));
    }

    #[test]
    fn a_header_that_promises_more_is_refused() {
        let lying = seal("lying", &[&header(1000, 1000, 0).to_bytes(), &[0; 8]]).unwrap();
        assert!(matches!(MappedColumns::new(&lying), Err(ColumnsError::Malformed(_))));
        let short = seal("short", &[b"x"]).unwrap();
        assert!(matches!(MappedColumns::new(&short), Err(ColumnsError::Malformed(_))));
        let other = seal("other", &[&[0; 64]]).unwrap();
        assert!(matches!(MappedColumns::new(&other), Err(ColumnsError::Malformed(_))));
    }
}
