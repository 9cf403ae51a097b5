//! Moving the pages of one process, a bounded number at a time.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rustix::io::Errno;

use super::areas::{Area, areas};
use super::call::move_pages;
use super::proc_file;
use crate::{KernelError, Roots};

/// Bit of an entry of /proc/PID/pagemap that says that the page is in memory
/// (<https://docs.kernel.org/admin-guide/mm/pagemap.html>).
const PRESENT: u64 = 1 << 63;
/// Entries that are read at once.
const ENTRIES: usize = 1_024;
/// Bytes of the pages that pagemap has entries of.
const PAGE: u64 = 4_096;

/// What became of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Bytes that were moved.
    pub(super) moved: u64,
    /// Pages that stay, since another process maps them too.
    pub(super) shared: u64,
    /// Pages that the kernel could not move now.
    pub(super) busy: u64,
}

/// Why moving stopped before its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Somebody does not want it any more.
    Cancelled,
    /// The nodes have no room.
    NoRoom,
    /// A file could not be read.
    Kernel(KernelError),
    /// The kernel said no.
    Refused(Errno),
}

/// Moves what lies on other nodes than these. Before each call `next` is asked for the node, and says no by an error.
pub(super) fn move_process(
    roots: &Roots,
    process: u32,
    to: &[u32],
    bytes_per_call: u64,
    count: &mut Count,
    next: &mut dyn FnMut(u64) -> Result<u32, Stopped>,
) -> Result<(), Stopped> {
    let is_elsewhere = |area: &Area| area.pages.iter().any(|(node, _)| !to.contains(node));
    let areas = areas(roots, process).map_err(Stopped::Kernel)?;
    let Ok(pagemap) = File::open(proc_file(roots, process, "pagemap")) else { return Ok(()) };
    let mut chunk = Vec::new();
    for area in areas.iter().filter(|area| is_elsewhere(area)) {
        let most = usize::try_from((bytes_per_call / area.page_size).max(1)).unwrap_or(1);
        let mut entries = vec![0; 8 * ENTRIES];
        let mut at = area.start;
        while at < area.end {
            let read = pagemap.read_at(&mut entries, at / PAGE * 8).unwrap_or(0) / 8;
            if read == 0 {
                // The process has ended, or the area is one that has no entries.
                break;
            }
            for (number, entry) in (0u64..).zip(entries[..8 * read].chunks_exact(8)) {
                let address = at + number * PAGE;
                let is_present = entry.try_into().is_ok_and(|entry| u64::from_le_bytes(entry) & PRESENT != 0);
                if is_present && address < area.end && (address - area.start) % area.page_size == 0 {
                    chunk.push(address);
                }
                if chunk.len() >= most {
                    move_chunk(process, &mut chunk, area.page_size, to, count, next)?;
                }
            }
            at += read as u64 * PAGE;
        }
        move_chunk(process, &mut chunk, area.page_size, to, count, next)?;
    }
    Ok(())
}

fn move_chunk(
    process: u32,
    chunk: &mut Vec<u64>,
    page_size: u64,
    to: &[u32],
    count: &mut Count,
    next: &mut dyn FnMut(u64) -> Result<u32, Stopped>,
) -> Result<(), Stopped> {
    let before = where_they_lie(process, chunk)?;
    let is_there = |node: i32| u32::try_from(node).is_ok_and(|node| to.contains(&node));
    let due: Vec<u64> =
        chunk.iter().zip(&before).filter(|(_, node)| **node >= 0 && !is_there(**node)).map(|(at, _)| *at).collect();
    chunk.clear();
    if due.is_empty() {
        return Ok(());
    }
    let node = next(due.len() as u64 * page_size)?;
    let nodes = vec![i32::try_from(node).unwrap_or(-1); due.len()];
    let status = match move_pages(process, &due, &nodes) {
        Ok(status) => status,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(Stopped::Refused(error)),
    };
    let mut has_room = true;
    for status in status {
        match -status {
            code if code <= 0 => count.moved += page_size,
            libc::EACCES => count.shared += 1,
            libc::ENOMEM => has_room = false,
            // The page has gone, is the zero page, or was never one that moves.
            libc::ENOENT | libc::EFAULT => {}
            _ => count.busy += 1,
        }
    }
    if has_room { Ok(()) } else { Err(Stopped::NoRoom) }
}

/// The node of each page; negative where there is none.
fn where_they_lie(process: u32, chunk: &[u64]) -> Result<Vec<i32>, Stopped> {
    match super::call::nodes_of(process, chunk) {
        Ok(nodes) => Ok(nodes),
        Err(Errno::SRCH) => Ok(vec![-1; chunk.len()]),
        Err(error) => Err(Stopped::Refused(error)),
    }
}
