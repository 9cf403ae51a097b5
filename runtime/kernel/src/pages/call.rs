//! The system call.
#![allow(unsafe_code, reason = "no crate wraps move_pages(2)")]

use std::io;

use rustix::io::Errno;

/// Only pages that no other process maps: `MPOL_MF_MOVE` of the kernel's include/uapi/linux/mempolicy.h.
const MPOL_MF_MOVE: libc::c_int = 1 << 1;

/// Moves pages of a process, each to the node beside it. What became of each: its node, or the negative number of an error.
///
/// # Errors
/// SRCH where the process has ended, INVAL where it is about to and has no memory any more, PERM where it may not be touched, NODEV
/// where a node is not there, ACCESS where its cpuset lacks it, NOMEM where a node has no room, TOOBIG where there are not as many
/// nodes as addresses.
pub(super) fn move_pages(process: u32, addresses: &[u64], nodes: &[i32]) -> Result<Vec<i32>, Errno> {
    let process = libc::pid_t::try_from(process).map_err(|_| Errno::SRCH)?;
    if addresses.len() != nodes.len() {
        return Err(Errno::TOOBIG);
    }
    call(process, addresses, nodes.as_ptr())
}

/// The node of each page of a process, or the negative number of an error. Nothing is moved.
///
/// # Errors
/// As [`move_pages`].
pub(super) fn nodes_of(process: u32, addresses: &[u64]) -> Result<Vec<i32>, Errno> {
    let process = libc::pid_t::try_from(process).map_err(|_| Errno::SRCH)?;
    call(process, addresses, std::ptr::null())
}

/// With an array of as many nodes, or none.
fn call(process: libc::pid_t, addresses: &[u64], nodes: *const i32) -> Result<Vec<i32>, Errno> {
    // A page of which the kernel says nothing was not reached.
    let mut status = vec![-libc::EBUSY; addresses.len()];
    // SAFETY: arrays of that many elements, which the call reads or, of `status`, writes (`nodes` may be null); a c_ulong and a
    // pointer are as large as a u64 on the machines that NUMA is built for, and addresses of another process are numbers here.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            process,
            addresses.len() as libc::c_ulong,
            addresses.as_ptr(),
            nodes,
            status.as_mut_ptr(),
            MPOL_MF_MOVE,
        )
    };
    if result < 0 {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    Ok(status)
}
