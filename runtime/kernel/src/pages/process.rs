//! Moving the pages of one process, a bounded number at a time.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rustix::io::Errno;

use super::areas::{Area, areas};
use super::call::{move_pages, nodes_of};
use super::proc_file;
use crate::{KernelError, Roots};

/// Bit of an entry of /proc/PID/pagemap that says that the page is in memory
/// (<https://docs.kernel.org/admin-guide/mm/pagemap.html>).
const PRESENT: u64 = 1 << 63;
/// Entries that are read at once.
const ENTRIES: usize = 1_024;
/// Bytes of the pages that pagemap has entries of.
const PAGE: u64 = 4_096;
/// Bytes of a transparent huge page, in whose midst no call ends: it moves as one, and is counted wholly.
const HUGE: u64 = 2 << 20;

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
    /// The cpuset of the process does not have the node.
    Forbidden {
        /// The process.
        process: u32,
        /// The node.
        node: u32,
    },
    /// The kernel said no.
    Refused(Errno),
}

/// Who says where pages go, and is told how many went.
pub(super) trait Guide {
    /// The node to which so many bytes are moved next.
    ///
    /// # Errors
    /// They are not moved, and nothing is after them.
    fn next(&mut self, bytes: u64) -> Result<u32, Stopped>;

    /// So many bytes were moved.
    fn moved(&mut self, bytes: u64);
}

/// What is to be moved of one process.
struct Work<'a> {
    process: u32,
    to: &'a [u32],
    count: &'a mut Count,
    guide: &'a mut dyn Guide,
}

/// Moves what lies on other nodes than these. Before each call `guide` is asked for the node, and says no by an error.
pub(super) fn move_process(
    roots: &Roots,
    process: u32,
    to: &[u32],
    bytes_per_call: u64,
    count: &mut Count,
    guide: &mut dyn Guide,
) -> Result<(), Stopped> {
    let is_elsewhere = |area: &Area| area.pages.iter().any(|(node, _)| !to.contains(node));
    let areas = areas(roots, process).map_err(Stopped::Kernel)?;
    let Ok(pagemap) = File::open(proc_file(roots, process, "pagemap")) else { return Ok(()) };
    let mut work = Work { process, to, count, guide };
    let mut chunk = Vec::new();
    let mut entries = vec![0; 8 * ENTRIES];
    for area in areas.iter().filter(|area| is_elsewhere(area)) {
        let most = usize::try_from((bytes_per_call / area.page_size).max(1)).unwrap_or(1);
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
                if is_present && address < area.end && (address - area.start).is_multiple_of(area.page_size) {
                    chunk.push(address);
                }
                if chunk.len() >= most && (address + PAGE).is_multiple_of(HUGE) {
                    work.move_chunk(&mut chunk, area.page_size)?;
                }
            }
            at += read as u64 * PAGE;
        }
        work.move_chunk(&mut chunk, area.page_size)?;
    }
    Ok(())
}

impl Work<'_> {
    fn move_chunk(&mut self, chunk: &mut Vec<u64>, page_size: u64) -> Result<(), Stopped> {
        let before = self.nodes_of(chunk)?;
        let is_elsewhere = |node: i32| node >= 0 && !self.is_there(node);
        let due: Vec<u64> =
            chunk.iter().zip(&before).filter(|(_, node)| is_elsewhere(**node)).map(|(at, _)| *at).collect();
        chunk.clear();
        if due.is_empty() {
            return Ok(());
        }
        let node = self.guide.next(due.len() as u64 * page_size)?;
        let nodes = vec![i32::try_from(node).unwrap_or(-1); due.len()];
        let (mut status, mut has_room) = match move_pages(self.process, &due, &nodes) {
            Ok(status) => (status, true),
            Err(error) if has_ended(error) => return Ok(()),
            // Some may have moved before there was no more room.
            Err(Errno::NOMEM) => (vec![-libc::EBUSY; due.len()], false),
            Err(Errno::ACCESS) => return Err(Stopped::Forbidden { process: self.process, node }),
            Err(error) => return Err(Stopped::Refused(error)),
        };
        self.clear_up(&due, &mut status)?;
        let before = self.count.moved;
        for status in status {
            match -status {
                code if code <= 0 => self.count.moved += page_size,
                libc::EACCES => self.count.shared += 1,
                libc::ENOMEM => has_room = false,
                // The page has gone, is the zero page, or was never one that moves.
                libc::ENOENT | libc::EFAULT => {}
                _ => self.count.busy += 1,
            }
        }
        self.guide.moved(self.count.moved - before);
        if has_room { Ok(()) } else { Err(Stopped::NoRoom) }
    }

    /// The kernel calls pages busy that have moved as a part of a huge page, and says nothing of any once it has left one: it is
    /// asked again where these lie.
    fn clear_up(&self, due: &[u64], status: &mut [i32]) -> Result<(), Stopped> {
        let is_unclear = |status: i32| status == -libc::EBUSY;
        let unclear: Vec<u64> =
            due.iter().zip(&*status).filter(|(_, status)| is_unclear(**status)).map(|(at, _)| *at).collect();
        if unclear.is_empty() {
            return Ok(());
        }
        let now = self.nodes_of(&unclear)?;
        for (status, now) in status.iter_mut().filter(|status| is_unclear(**status)).zip(now) {
            if now < 0 || self.is_there(now) {
                *status = now;
            }
        }
        Ok(())
    }

    fn is_there(&self, node: i32) -> bool {
        u32::try_from(node).is_ok_and(|node| self.to.contains(&node))
    }

    /// The node of each page; negative where there is none.
    fn nodes_of(&self, pages: &[u64]) -> Result<Vec<i32>, Stopped> {
        match nodes_of(self.process, pages) {
            Ok(nodes) => Ok(nodes),
            Err(error) if has_ended(error) => Ok(vec![-libc::ENOENT; pages.len()]),
            Err(error) => Err(Stopped::Refused(error)),
        }
    }
}

/// Whether an error says that the process has ended, or is about to and has given back its memory.
fn has_ended(error: Errno) -> bool {
    matches!(error, Errno::SRCH | Errno::INVAL)
}
