//! The system calls that each kind of process keeps. Whatever is not listed is refused.

use libc::c_long;

/// Kept without a condition by every process: memory, threads, time, and descriptors that it has.
pub(super) const COMMON: &[c_long] = &[
    // Memory. What may be executable is a condition (`filter.rs`).
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_membarrier,
    // Threads and signals of its own.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // Time and chance.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    // Descriptors that it has.
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // Facts about itself and the machine.
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getrusage,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Kept by the agent besides: waiting, the network, looking at files.
pub(super) const AGENT: &[c_long] = &[
    // Of a socket that the warden has bound: `bind` and `listen` are not kept.
    libc::SYS_accept4,
    libc::SYS_close_range,
    libc::SYS_connect,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    // For memory that is sealed and handed to the warden.
    libc::SYS_memfd_create,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_readlinkat,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_statx,
];

/// Older forms of the same calls, which only x86-64 has.
#[cfg(target_arch = "x86_64")]
pub(super) const AGENT_ON_THIS_PROCESSOR: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
];
/// Older forms of the same calls, which only x86-64 has.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const AGENT_ON_THIS_PROCESSOR: &[c_long] = &[];

/// Not there, rather than refused: their callers then use older calls, whose arguments the filter can see.
pub(super) const ABSENT: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

/// What `ioctl` is kept for: waiting or not, and whether a descriptor is a terminal. `FIOSETOWN` and `SIOCSPGRP`, which
/// would send signals to others, are none of them.
pub(super) const IOCTLS: &[u32] = &[
    0x5401,      // TCGETS
    0x5413,      // TIOCGWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x802c_542a, // TCGETS2
];

/// What `fcntl` is kept for. `F_SETOWN` and `F_SETSIG`, which would send any signal to any process of this user, are none
/// of them.
pub(super) const FCNTLS: &[libc::c_int] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GET_SEALS,
    libc::F_ADD_SEALS,
];

/// What `prctl` is kept for: names of threads and of memory, and the questions whether this filter is there.
pub(super) const PRCTLS: &[libc::c_int] =
    &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_GET_SECCOMP, libc::PR_GET_NO_NEW_PRIVS, libc::PR_SET_VMA];

/// Options of sockets, by level. `SO_LINGER` is none of them: a descriptor that was sent to the warden with it would make
/// the warden wait when it closes it. Nor are those that load programs into the kernel.
pub(super) const SOCKET_OPTIONS: &[(libc::c_int, &[libc::c_int])] = &[
    (
        libc::SOL_SOCKET,
        &[
            libc::SO_KEEPALIVE,
            libc::SO_RCVBUF,
            libc::SO_SNDBUF,
            libc::SO_REUSEADDR,
            libc::SO_RCVTIMEO,
            libc::SO_SNDTIMEO,
        ],
    ),
    (
        libc::IPPROTO_TCP,
        &[
            libc::TCP_KEEPCNT,
            libc::TCP_KEEPIDLE,
            libc::TCP_KEEPINTVL,
            libc::TCP_NODELAY,
            libc::TCP_QUICKACK,
            libc::TCP_USER_TIMEOUT,
        ],
    ),
    // The resolver of the C library.
    (libc::IPPROTO_IP, &[libc::IP_MTU_DISCOVER, libc::IP_RECVERR]),
    (libc::IPPROTO_IPV6, &[libc::IPV6_MTU_DISCOVER, libc::IPV6_RECVERR, libc::IPV6_V6ONLY]),
];

/// Sockets that may be made: type and protocol, of the Internet's families alone.
pub(super) const SOCKETS: &[(libc::c_int, libc::c_int)] = &[
    (libc::SOCK_STREAM, 0),
    (libc::SOCK_STREAM, libc::IPPROTO_TCP),
    (libc::SOCK_DGRAM, 0),
    (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
];
