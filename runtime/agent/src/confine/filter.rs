//! The filter of system calls.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::ConfineError;
use super::calls::{ABSENT, AGENT, AGENT_ON_THIS_PROCESSOR, COMMON, FCNTLS, IOCTLS, PRCTLS, SOCKET_OPTIONS, SOCKETS};

/// For each call the conditions under which it is kept: one of the rules must hold, in it all conditions. No rule: always.
type Rules = BTreeMap<c_long, Vec<Vec<Condition>>>;

/// A condition on one argument: its bits under the mask are the value. Arguments are compared as the 32 bits that the kernel
/// takes of them.
#[derive(Clone, Copy, Debug)]
struct Condition {
    argument: u8,
    mask: u32,
    value: u32,
}

/// The calls that a process keeps.
#[derive(Debug)]
pub(super) struct Filter {
    kept: Rules,
}

/// Makes a file or opens one for anything but reading.
const WRITING: u32 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | TMPFILE) as u32;
/// `O_TMPFILE` without the bit of `O_DIRECTORY` in it.
const TMPFILE: libc::c_int = libc::O_TMPFILE & !libc::O_DIRECTORY;
/// Namespaces that `clone` could make.
const NAMESPACES: libc::c_int = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;
/// The kind of a socket, without the flags beside it.
const SOCKET_KIND: u32 = 0xf;

fn is(argument: u8, value: libc::c_int) -> Condition {
    Condition { argument, mask: u32::MAX, value: value.cast_unsigned() }
}

fn without(argument: u8, bits: libc::c_int) -> Condition {
    Condition { argument, mask: bits.cast_unsigned(), value: 0 }
}

impl Filter {
    /// What the agent keeps.
    pub(super) fn agent() -> Self {
        let mut filter = Self::common();
        filter.keep(AGENT);
        filter.keep(AGENT_ON_THIS_PROCESSOR);
        filter.when(libc::SYS_openat, vec![Condition { argument: 2, mask: WRITING, value: 0 }]);
        #[cfg(target_arch = "x86_64")]
        filter.when(libc::SYS_open, vec![Condition { argument: 1, mask: WRITING, value: 0 }]);
        for family in [libc::AF_INET, libc::AF_INET6] {
            for (kind, protocol) in SOCKETS {
                let kind = Condition { argument: 1, mask: SOCKET_KIND, value: kind.cast_unsigned() };
                filter.when(libc::SYS_socket, vec![is(0, family), kind, is(2, *protocol)]);
            }
        }
        // Two ends that this process has both. Of streams only: an end of a pair of datagrams could be sent or connected to
        // every socket of the machine that has a name, the log and the service manager among them.
        let stream = Condition { argument: 1, mask: SOCKET_KIND, value: libc::SOCK_STREAM.cast_unsigned() };
        filter.when(libc::SYS_socketpair, vec![is(0, libc::AF_UNIX), stream, is(2, 0)]);
        for (level, options) in SOCKET_OPTIONS {
            for option in *options {
                filter.when(libc::SYS_setsockopt, vec![is(1, *level), is(2, *option)]);
            }
        }
        // Limits of its own, not of another process.
        filter.when(libc::SYS_prlimit64, vec![is(0, 0)]);
        filter
    }

    /// What a compiler keeps.
    pub(super) fn compiler() -> Self {
        Self::common()
    }

    fn common() -> Self {
        let mut filter = Self { kept: Rules::new() };
        filter.keep(COMMON);
        // Another filter says that they are absent, and the stricter of two counts.
        filter.keep(ABSENT);
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            // Memory is written or run, never both.
            filter.when(call, vec![without(2, libc::PROT_EXEC)]);
            filter.when(call, vec![without(2, libc::PROT_WRITE)]);
        }
        let thread = libc::CLONE_THREAD.cast_unsigned();
        let no_namespace = Condition { argument: 0, mask: thread | NAMESPACES.cast_unsigned(), value: thread };
        filter.when(libc::SYS_clone, vec![no_namespace]);
        let own = rustix::process::getpid().as_raw_nonzero().get();
        filter.when(libc::SYS_kill, vec![is(0, own)]);
        filter.when(libc::SYS_tgkill, vec![is(0, own)]);
        for request in IOCTLS {
            filter.when(libc::SYS_ioctl, vec![is(1, request.cast_signed())]);
        }
        for command in FCNTLS {
            filter.when(libc::SYS_fcntl, vec![is(1, *command)]);
        }
        for option in PRCTLS {
            filter.when(libc::SYS_prctl, vec![is(0, *option)]);
        }
        filter
    }

    fn keep(&mut self, calls: &[c_long]) {
        for call in calls {
            self.kept.insert(*call, Vec::new());
        }
    }

    fn when(&mut self, call: c_long, conditions: Vec<Condition>) {
        self.kept.entry(call).or_default().push(conditions);
    }

    /// Loads it into this thread and all that it starts. It cannot be taken back.
    pub(super) fn load(&self) -> Result<(), ConfineError> {
        let failed = |error: &dyn std::fmt::Display| ConfineError::Filter(error.to_string());
        let absent: Rules = ABSENT.iter().map(|call| (*call, Vec::new())).collect();
        let (missing, refused) = (libc::ENOSYS.cast_unsigned(), libc::EPERM.cast_unsigned());
        let absent = compiled(&absent, SeccompAction::Allow, SeccompAction::Errno(missing)).map_err(|e| failed(&e))?;
        let kept = compiled(&self.kept, SeccompAction::Errno(refused), SeccompAction::Allow).map_err(|e| failed(&e))?;
        // In this order: the second one refuses to load a third.
        apply_filter(&absent).map_err(|error| failed(&error))?;
        apply_filter(&kept).map_err(|error| failed(&error))
    }
}

fn compiled(rules: &Rules, otherwise: SeccompAction, then: SeccompAction) -> Result<BpfProgram, BackendError> {
    let rules = rules
        .iter()
        .map(|(call, rules)| Ok((*call, rules.iter().map(|rule| seccomp_rule(rule)).collect::<Result<Vec<_>, _>>()?)))
        .collect::<Result<BTreeMap<_, _>, BackendError>>()?;
    SeccompFilter::new(rules, otherwise, then, TargetArch::try_from(ARCH)?)?.try_into()
}

fn seccomp_rule(conditions: &[Condition]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|condition| {
        let operator = match condition.mask {
            u32::MAX => SeccompCmpOp::Eq,
            mask => SeccompCmpOp::MaskedEq(mask.into()),
        };
        SeccompCondition::new(condition.argument, SeccompCmpArgLen::Dword, operator, condition.value.into())
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_filters_fit_into_the_kernels_bound_and_keep_nothing_that_reaches_others() {
        let never = [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_pidfd_send_signal,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_rt_tgsigqueueinfo,
            libc::SYS_tkill,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_mount,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_keyctl,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_bind,
            libc::SYS_listen,
            libc::SYS_sched_setaffinity,
            libc::SYS_setpriority,
            libc::SYS_unlinkat,
            libc::SYS_renameat2,
            libc::SYS_fchmodat,
        ];
        for filter in [Filter::agent(), Filter::compiler()] {
            for call in never {
                assert!(!filter.kept.contains_key(&call), "system call {call}");
            }
            let program = compiled(&filter.kept, SeccompAction::Errno(1), SeccompAction::Allow).unwrap();
            assert!(program.len() < 4096, "{}", program.len());
        }
        assert!(!Filter::compiler().kept.contains_key(&libc::SYS_openat));
        assert!(!Filter::compiler().kept.contains_key(&libc::SYS_socket));
    }
}
