//! Starting the unprivileged processes: the only unsafe code of this crate.
//!
//! Between `fork` and `execveat` the child calls nothing but system calls, on memory that was prepared before, since another
//! thread of a program that embeds this library may have held any lock at the time of the fork.

#![allow(unsafe_code, reason = "fork and exec; each block says why it is sound")]

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Pid, PidfdFlags, Resource, Rlimit, Signal, Uid, getrlimit, pidfd_open, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::error::WardenError;

/// A process to be started.
pub(crate) struct Launch<'a> {
    /// For messages: `the agent`.
    pub(crate) what: &'static str,
    /// The program.
    pub(crate) program: BorrowedFd<'a>,
    /// Arguments, the program's name included.
    pub(crate) arguments: &'a [CString],
    /// Environment, each as `NAME=value`.
    pub(crate) environment: &'a [CString],
    /// Descriptors that it gets, with their numbers; all others are closed.
    pub(crate) descriptors: &'a [(BorrowedFd<'a>, RawFd)],
    /// The user that it becomes; none: it stays the same user.
    pub(crate) user: Option<(Uid, Gid)>,
    /// Limits.
    pub(crate) limits: &'a [(Resource, u64)],
}

/// A started process.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its number, for messages only: signals and waiting go by the descriptor.
    pub(crate) pid: Pid,
    /// Readable when it has ended.
    pub(crate) pidfd: OwnedFd,
}

macro_rules! steps {
    ($($variant:ident = $text:literal,)*) => {
        /// What a new process does before it is its program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step { $(#[doc = $text] $variant,)* }

        impl Step {
            const ALL: &[Step] = &[$(Step::$variant,)*];
        }

        impl fmt::Display for Step {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Step::$variant => $text,)* })
            }
        }
    };
}

steps! {
    Prepare = "descriptors for a new process",
    Fork = "fork",
    Session = "a session of its own (setsid)",
    Folder = "leaving the folder that WCA was started in (chdir)",
    Descriptors = "its descriptors (dup3)",
    Close = "closing all other descriptors (close_range)",
    Limits = "its limits (setrlimit)",
    Bounding = "dropping the capability bounding set",
    Groups = "leaving all groups (setgroups)",
    User = "becoming its user (setresuid)",
    Capabilities = "dropping all capabilities",
    NoNewPrivs = "no new privileges (PR_SET_NO_NEW_PRIVS)",
    DeathSignal = "ending with its parent (PR_SET_PDEATHSIG)",
    Orphan = "its parent has ended meanwhile",
    Exec = "running the program (execveat)",
}

impl Step {
    /// What the operator can do, for the failures that have been met.
    pub(crate) fn hint(self, errno: Errno) -> &'static str {
        match self {
            _ if errno == Errno::NOSYS => "; WCA needs Linux 5.3 or newer",
            Self::Groups | Self::User => {
                "; as root WCA runs its agent as another user, which takes CAP_SETUID and CAP_SETGID and, in a user \
                 namespace, a user that is mapped into it (--user)"
            }
            Self::Exec => {
                "; the program must be executable by the agent's user, though its folder need not be open to it"
            }
            _ => "",
        }
    }
}

/// Lowest number that descriptors have before the child puts them into their places.
const OUT_OF_THE_WAY: RawFd = 64;
/// Capabilities are numbered from 0; 63 is the highest number that the kernel's interface has room for.
const LAST_CAPABILITY: libc::c_ulong = 63;

/// Starts a process and returns when it runs its program.
pub(crate) fn start(launch: &Launch<'_>) -> Result<Child, WardenError> {
    let failed = |step| move |errno| WardenError::Start { what: launch.what, step, errno };
    // Moved out of the way, so that putting one into its place cannot close another.
    let aside = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, OUT_OF_THE_WAY).map_err(failed(Step::Prepare));
    let program = aside(launch.program)?;
    let descriptors = launch
        .descriptors
        .iter()
        .map(|(fd, number)| Ok((aside(*fd)?, *number)))
        .collect::<Result<Vec<_>, WardenError>>()?;
    let (report, end) = pipe_with(PipeFlags::CLOEXEC).map_err(failed(Step::Prepare))?;
    let failure = aside(end.as_fd())?;
    // The pipe ends only when nobody has its other end any more.
    drop(end);
    let prepared = Prepared {
        program: program.as_raw_fd(),
        descriptors: descriptors.iter().map(|(fd, number)| (fd.as_raw_fd(), *number)).collect(),
        arguments: pointers(launch.arguments),
        environment: pointers(launch.environment),
        limits: launch.limits,
        user: launch.user,
        parent: rustix::process::getpid(),
    };
    // SAFETY: the child calls only `Prepared::become_program`, which makes system calls on prepared memory, and `_exit`.
    let pid = match unsafe { libc::fork() } {
        -1 => {
            let errno = std::io::Error::last_os_error();
            return Err(failed(Step::Fork)(Errno::from_io_error(&errno).unwrap_or(Errno::AGAIN)));
        }
        0 => {
            let (step, errno) = prepared.become_program();
            let number = u16::try_from(errno.raw_os_error()).unwrap_or(0).to_ne_bytes();
            let told = [step as u8, number[0], number[1]];
            // SAFETY: `told` lives, `failure` is open; `_exit` ends this process without running anything of its parent's.
            unsafe {
                libc::write(failure.as_raw_fd(), told.as_ptr().cast(), told.len());
                libc::_exit(127);
            }
        }
        pid => Pid::from_raw(pid),
    };
    drop(failure);
    let pid = pid.ok_or_else(|| failed(Step::Fork)(Errno::CHILD))?;
    let started = wait_for_exec(&report)
        .and_then(|()| pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| (Step::Prepare, errno)));
    match started {
        Ok(pidfd) => Ok(Child { pid, pidfd }),
        Err((step, errno)) => {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            Err(failed(step)(errno))
        }
    }
}

/// Waits until the child runs its program, which closes its end of the pipe, or has said where it failed.
fn wait_for_exec(report: &OwnedFd) -> Result<(), (Step, Errno)> {
    let mut told = [0; 3];
    match rustix::io::retry_on_intr(|| rustix::io::read(report, &mut told)) {
        Ok(3) => {
            let step = Step::ALL.get(usize::from(told[0])).copied().unwrap_or(Step::Exec);
            Err((step, Errno::from_raw_os_error(i32::from(u16::from_ne_bytes([told[1], told[2]])))))
        }
        Ok(_) => Ok(()),
        Err(errno) => Err((Step::Prepare, errno)),
    }
}

/// A NULL-terminated array of pointers as `execveat` takes it. It must not outlive `strings`.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

struct Prepared<'a> {
    program: RawFd,
    descriptors: Vec<(RawFd, RawFd)>,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    limits: &'a [(Resource, u64)],
    user: Option<(Uid, Gid)>,
    parent: Pid,
}

impl Prepared<'_> {
    /// Runs in the child. Returns only where it failed, with the step.
    fn become_program(&self) -> (Step, Errno) {
        match self.steps() {
            Err(failed) => failed,
            Ok(never) => match never {},
        }
    }

    fn steps(&self) -> Result<std::convert::Infallible, (Step, Errno)> {
        let at = |step| move |errno| (step, errno);
        // What the warden waits for or ignores is not the program's business.
        // SAFETY: a zeroed sigset_t is the empty set, and both calls only read it or take a constant.
        unsafe {
            let none: libc::sigset_t = std::mem::zeroed();
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
        rustix::process::setsid().map_err(at(Step::Session))?;
        // A folder can be closed to the agent's user by those above it, which a process that stands in it does not pass.
        rustix::process::chdir(c"/").map_err(at(Step::Folder))?;
        for (fd, number) in &self.descriptors {
            // SAFETY: no Rust value of this process owns the number: the child ends here or becomes another program.
            checked(unsafe { libc::dup3(*fd, *number, 0).into() }).map_err(at(Step::Descriptors))?;
        }
        self.close_the_rest().map_err(at(Step::Close))?;
        for (resource, limit) in self.limits {
            // Where both are the same the kernel kills without a word; below the second it says which limit it was.
            let most = limit.saturating_add(u64::from(*resource == Resource::Cpu));
            // Only root can raise the second one again.
            let most = getrlimit(*resource).maximum.map_or(most, |maximum| maximum.min(most));
            let limit = Rlimit { current: Some(*limit.min(&most)), maximum: Some(most) };
            setrlimit(*resource, limit).map_err(at(Step::Limits))?;
        }
        let before = rustix::thread::capabilities(None).map_err(at(Step::Capabilities))?;
        if before.effective.contains(CapabilitySet::SETPCAP) {
            drop_bounding_set().map_err(at(Step::Bounding))?;
        }
        if let Some((uid, gid)) = self.user {
            rustix::thread::set_thread_groups(&[]).map_err(at(Step::Groups))?;
            rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(at(Step::User))?;
            rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(at(Step::User))?;
        }
        rustix::thread::clear_ambient_capability_set().map_err(at(Step::Capabilities))?;
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none).map_err(at(Step::Capabilities))?;
        rustix::thread::set_no_new_privs(true).map_err(at(Step::NoNewPrivs))?;
        // After the change of user, which clears it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(Step::DeathSignal))?;
        if rustix::process::getppid() != Some(self.parent) {
            return Err((Step::Orphan, Errno::SRCH));
        }
        // SAFETY: the path is empty, so that the descriptor itself is run; both arrays end with NULL, and the strings that
        // they point to live in the caller of `start`.
        let run = unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.program,
                c"".as_ptr(),
                self.arguments.as_ptr(),
                self.environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
        Err((Step::Exec, checked(run).err().unwrap_or(Errno::NOEXEC)))
    }

    /// Marks every descriptor above those that it was given, so that the exec closes it.
    fn close_the_rest(&self) -> Result<(), Errno> {
        let above = self.descriptors.iter().map(|(_, number)| *number + 1).max().unwrap_or(3).max(3);
        // SAFETY: flags of descriptors are all that changes.
        let done = unsafe { libc::syscall(libc::SYS_close_range, above, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        match checked(done) {
            // Linux 5.9 and 5.10 have the call without the flag. Descriptors of this program close on exec by themselves;
            // those that the program was started with have low numbers.
            Err(Errno::INVAL | Errno::NOSYS) => {
                for number in above..1024 {
                    // SAFETY: as above; a number that is not open is an error without effect.
                    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
                }
                Ok(())
            }
            done => done,
        }
    }
}

fn drop_bounding_set() -> Result<(), Errno> {
    for capability in 0..=LAST_CAPABILITY {
        // SAFETY: takes a number and changes only what this process may get later.
        match checked(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0).into() }) {
            // The kernel knows no capability with this number or above.
            Err(Errno::INVAL) if capability > 0 => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

fn checked(result: libc::c_long) -> Result<(), Errno> {
    if result != -1 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}
