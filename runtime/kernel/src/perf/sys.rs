//! The system calls: the only part of the counters that is not safe Rust by itself.
#![allow(
    unsafe_code,
    reason = "perf_event_open and its ioctls have no safe wrapper that takes a descriptor of a cgroup"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use perf_event_open_sys::bindings::{
    PERF_FLAG_FD_CLOEXEC, PERF_FLAG_PID_CGROUP, PERF_FORMAT_GROUP, PERF_FORMAT_TOTAL_TIME_ENABLED,
    PERF_FORMAT_TOTAL_TIME_RUNNING, PERF_IOC_FLAG_GROUP, perf_event_attr,
};
use perf_event_open_sys::{ioctls, perf_event_open};
use rustix::io::Errno;

use crate::perf::event::Encoding;

/// Whom a counter counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The directory of a cgroup, which counts with all cgroups below it; none: everything that the processor does.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The processor.
    pub cpu: u32,
}

/// Opens a counter. One without a leader leads a group of its own and stands still until [`set_counting`]; the others
/// count when their leader does. It is closed when what is returned is dropped.
///
/// What a guest of KVM does is not counted for a cgroup, as `perf stat` does: with it, the cycles of a virtual machine would
/// be those of its own kernel too.
pub(crate) fn open(encoding: Encoding, place: Place<'_>, leader: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Errno> {
    let mut attr = perf_event_attr {
        // The structure has 144 bytes at most.
        size: u32::try_from(size_of::<perf_event_attr>()).unwrap_or(u32::MAX),
        type_: encoding.kind,
        config: encoding.config,
        read_format: u64::from(PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING),
        ..perf_event_attr::default()
    };
    attr.__bindgen_anon_3.config1 = encoding.config1;
    attr.__bindgen_anon_4.config2 = encoding.config2;
    attr.set_disabled(leader.is_none().into());
    // PMUs outside of cores refuse what excludes anything (PERF_PMU_CAP_NO_EXCLUDE).
    attr.set_exclude_guest(place.cgroup.is_some().into());
    let cpu = i32::try_from(place.cpu).map_err(|_| Errno::INVAL)?;
    let (pid, flag) = place.cgroup.map_or((-1, 0), |cgroup| (cgroup.as_raw_fd(), PERF_FLAG_PID_CGROUP));
    let leader = leader.map_or(-1, |leader| leader.as_raw_fd());
    // SAFETY: `attr` is initialised, as large as its `size` says, and outlives the call, which only reads it and may write
    // `size`. It asks for counting alone: no buffer, no signal, no address of this process. The descriptors are open.
    let file = unsafe { perf_event_open(&raw mut attr, pid, cpu, leader, (flag | PERF_FLAG_FD_CLOEXEC).into()) };
    if file < 0 {
        return Err(last_error());
    }
    // SAFETY: The kernel has just opened it for this process, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(file) })
}

/// Has a group count, or stand still.
pub(crate) fn set_counting(leader: BorrowedFd<'_>, is_on: bool) -> Result<(), Errno> {
    let leader = leader.as_raw_fd();
    // SAFETY: The descriptor is open, and these two requests take a number and no address.
    let result = unsafe {
        if is_on { ioctls::ENABLE(leader, PERF_IOC_FLAG_GROUP) } else { ioctls::DISABLE(leader, PERF_IOC_FLAG_GROUP) }
    };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// What the last call of this thread failed with.
fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
