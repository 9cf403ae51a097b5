//! What somebody would try who runs code of his own in the agent. Each attack is one or two system calls; what counts is
//! the number of the error, 0 where the kernel lets it pass.

#![allow(unsafe_code, reason = "raw system calls, as injected code would make them")]

use std::ffi::{CString, c_long};
use std::fs::File;
use std::net::ToSocketAddrs as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::ptr::{null, null_mut};

use serde_json::json;
use wca_messages::{Reply, Request};

use crate::connection::Connection;
use crate::say;

type Attack = (String, i32);

fn errno(result: c_long) -> i32 {
    if result == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 }
}

/// Makes a system call as it stands; the number of the error. Each argument fills its register, as the kernel reads it.
macro_rules! call {
    ($number:ident $(, $argument:expr)* $(,)?) => {{
        // SAFETY: the kernel checks what it is given, and each is chosen so that nothing of this process breaks.
        errno(unsafe { libc::syscall(libc::$number $(, ($argument) as c_long)*) })
    }};
}

fn path(text: &str) -> CString {
    CString::new(text).expect("a path")
}

fn open(file: &str, flags: i32) -> i32 {
    let file = path(file);
    // SAFETY: the path lives; what is opened is closed by the end of this process.
    errno(unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, file.as_ptr(), flags, 0o600) })
}

/// All attacks, one line each.
pub(crate) fn run(warden: &mut Connection, files: &[&str]) {
    let pid = rustix::process::getppid().expect("a parent").as_raw_nonzero().get();
    let mut all = on_files(pid, files);
    all.extend(on_the_warden(pid));
    // With the filter, so that nothing of this can pass and harm the machine of the tests.
    if rustix::thread::secure_computing_mode() == Ok(rustix::thread::SecureComputingMode::Filter) {
        all.extend(new_files());
        all.extend(signals(pid));
        all.extend(processes());
        all.extend(sockets());
        all.extend(memory());
        all.extend(kernel());
        all.extend(absent());
        all.extend(descriptors(warden));
        all.extend(harmless());
    } else {
        all.extend(privileges());
    }
    for (name, errno) in all {
        say(&json!({"attack": name, "errno": errno}));
    }
}

/// Attacks of a compiler, which has no connection to anybody.
pub(crate) fn of_compiler() -> Vec<Attack> {
    let pid = rustix::process::getppid().expect("a parent").as_raw_nonzero().get();
    let mut all = on_files(pid, &[]);
    all.extend(new_files());
    all.extend([("read /etc/passwd".into(), open("/etc/passwd", libc::O_RDONLY))]);
    all.extend(on_the_warden(pid));
    all.extend(signals(pid));
    all.extend(processes());
    all.extend(sockets());
    all.extend([
        ("socket AF_INET".into(), call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)),
        ("socketpair".into(), call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, null_mut::<i32>())),
        ("memfd_create".into(), call!(SYS_memfd_create, c"x".as_ptr(), 0)),
    ]);
    all.extend(memory());
    all.extend(kernel());
    all.extend(absent());
    all
}

fn on_files(warden: i32, files: &[&str]) -> Vec<Attack> {
    let mut all: Vec<Attack> = files.iter().map(|file| (format!("write {file}"), open(file, libc::O_WRONLY))).collect();
    all.extend([
        ("write /proc/<warden>/mem".into(), open(&format!("/proc/{warden}/mem"), libc::O_RDWR)),
        ("write /proc/<warden>/oom_score_adj".into(), open(&format!("/proc/{warden}/oom_score_adj"), libc::O_WRONLY)),
        ("write /proc/sys/kernel/hostname".into(), open("/proc/sys/kernel/hostname", libc::O_WRONLY)),
        ("write /proc/self/exe".into(), open("/proc/self/exe", libc::O_WRONLY)),
        ("append /proc/self/exe".into(), open("/proc/self/exe", libc::O_RDWR | libc::O_APPEND)),
        ("truncate, reading".into(), open("/proc/self/exe", libc::O_RDONLY | libc::O_TRUNC)),
    ]);
    all
}

/// In a folder where everybody may make files.
fn new_files() -> Vec<Attack> {
    vec![
        ("create /tmp/wca-probe".into(), open("/tmp/wca-probe", libc::O_WRONLY | libc::O_CREAT)),
        ("create, reading".into(), open("/tmp/wca-probe", libc::O_RDONLY | libc::O_CREAT)),
        ("create without a name".into(), open("/tmp", libc::O_RDWR | libc::O_TMPFILE)),
    ]
}

fn on_the_warden(warden: i32) -> Vec<Attack> {
    let mut byte = 0_u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    vec![
        ("read /proc/<warden>/mem".into(), open(&format!("/proc/{warden}/mem"), libc::O_RDONLY)),
        ("read /proc/<warden>/environ".into(), open(&format!("/proc/{warden}/environ"), libc::O_RDONLY)),
        ("ptrace warden".into(), call!(SYS_ptrace, libc::PTRACE_ATTACH, warden, 0, 0)),
        ("seize warden".into(), call!(SYS_ptrace, libc::PTRACE_SEIZE, warden, 0, 0)),
        ("process_vm_readv".into(), call!(SYS_process_vm_readv, warden, &raw const local, 1, &raw const local, 1, 0)),
        ("process_vm_writev".into(), call!(SYS_process_vm_writev, warden, &raw const local, 1, &raw const local, 1, 0)),
    ]
}

fn signals(warden: i32) -> Vec<Attack> {
    let rlimit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    vec![
        ("kill 0".into(), call!(SYS_kill, warden, 0)),
        ("kill TERM".into(), call!(SYS_kill, warden, libc::SIGTERM)),
        ("kill all".into(), call!(SYS_kill, -1, libc::SIGTERM)),
        ("kill group".into(), call!(SYS_kill, 0, 0)),
        ("tkill".into(), call!(SYS_tkill, warden, libc::SIGTERM)),
        ("tgkill".into(), call!(SYS_tgkill, warden, warden, libc::SIGTERM)),
        ("rt_sigqueueinfo".into(), call!(SYS_rt_sigqueueinfo, warden, libc::SIGTERM, null::<u8>())),
        ("pidfd_open".into(), call!(SYS_pidfd_open, warden, 0)),
        ("pidfd_send_signal".into(), call!(SYS_pidfd_send_signal, 3, libc::SIGTERM, null::<u8>(), 0)),
        ("pidfd_getfd".into(), call!(SYS_pidfd_getfd, 3, 3, 0)),
        ("F_SETOWN".into(), call!(SYS_fcntl, 3, libc::F_SETOWN, warden)),
        ("F_SETSIG".into(), call!(SYS_fcntl, 3, 10, libc::SIGKILL)),
        ("FIOSETOWN".into(), call!(SYS_ioctl, 3, 0x8901, &raw const warden)),
        ("prlimit64 warden".into(), call!(SYS_prlimit64, warden, libc::RLIMIT_CPU, &raw const rlimit, null::<u8>())),
        ("setpriority warden".into(), call!(SYS_setpriority, libc::PRIO_PROCESS, warden, 19)),
        ("sched_setaffinity warden".into(), call!(SYS_sched_setaffinity, warden, 8, &raw const rlimit)),
        ("ioprio_set warden".into(), call!(SYS_ioprio_set, 1, warden, 0)),
        ("migrate_pages warden".into(), call!(SYS_migrate_pages, warden, 0, null::<u8>(), null::<u8>())),
    ]
}

fn processes() -> Vec<Attack> {
    let arguments = [c"sh".as_ptr(), null()];
    let mut all = vec![
        ("execve".into(), call!(SYS_execve, c"/bin/sh".as_ptr(), arguments.as_ptr(), null::<u8>())),
        (
            "execveat".into(),
            call!(SYS_execveat, libc::AT_FDCWD, c"/bin/sh".as_ptr(), arguments.as_ptr(), null::<u8>(), 0),
        ),
        ("clone a process".into(), call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
        ("clone a namespace".into(), call!(SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0)),
    ];
    #[cfg(target_arch = "x86_64")]
    all.extend([("fork".into(), call!(SYS_fork)), ("vfork".into(), call!(SYS_vfork))]);
    all.extend(privileges());
    all
}

fn privileges() -> Vec<Attack> {
    let user = c"/".as_ptr();
    let header = [0x2008_0522_u32, 0];
    let sets = [u32::MAX; 6];
    vec![
        ("setuid 0".into(), call!(SYS_setuid, 0)),
        ("setgid 0".into(), call!(SYS_setgid, 0)),
        ("setresuid 0".into(), call!(SYS_setresuid, 0, 0, 0)),
        ("setgroups".into(), call!(SYS_setgroups, 1, &raw const header)),
        ("capset".into(), call!(SYS_capset, header.as_ptr(), sets.as_ptr())),
        ("mount".into(), call!(SYS_mount, c"none".as_ptr(), c"/mnt".as_ptr(), c"tmpfs".as_ptr(), 0, null::<u8>())),
        ("umount2".into(), call!(SYS_umount2, c"/proc".as_ptr(), 0)),
        ("pivot_root".into(), call!(SYS_pivot_root, user, user)),
        ("chroot".into(), call!(SYS_chroot, user)),
        ("sethostname".into(), call!(SYS_sethostname, c"x".as_ptr(), 1)),
        ("reboot".into(), call!(SYS_reboot, 0, 0, 0, 0)),
        ("swapoff".into(), call!(SYS_swapoff, c"/none".as_ptr())),
        ("init_module".into(), call!(SYS_init_module, null::<u8>(), 0, c"".as_ptr())),
        ("chmod".into(), call!(SYS_fchmodat, libc::AT_FDCWD, c"/etc/passwd".as_ptr(), 0o666)),
        ("chown".into(), call!(SYS_fchownat, libc::AT_FDCWD, c"/etc/passwd".as_ptr(), 1, 1, 0)),
    ]
}

fn sockets() -> Vec<Attack> {
    let linger = libc::linger { l_onoff: 1, l_linger: 1000 };
    let size = size_of::<libc::linger>();
    let raw = libc::SOCK_RAW;
    vec![
        ("socket AF_UNIX".into(), call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0)),
        ("socket AF_PACKET".into(), call!(SYS_socket, libc::AF_PACKET, raw, 0)),
        ("socket AF_NETLINK".into(), call!(SYS_socket, libc::AF_NETLINK, raw, 0)),
        ("socket AF_VSOCK".into(), call!(SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
        ("socket raw".into(), call!(SYS_socket, libc::AF_INET, raw, libc::IPPROTO_TCP)),
        ("pair of datagrams to the log".into(), through_a_pair(libc::SOCK_DGRAM)),
        (
            "pair of datagrams that do not wait, to the log".into(),
            through_a_pair(libc::SOCK_DGRAM | libc::SOCK_NONBLOCK),
        ),
        // The kernel makes datagrams of it.
        ("raw pair to the log".into(), through_a_pair(raw)),
        ("pair of packets to the log".into(), through_a_pair(libc::SOCK_SEQPACKET)),
        ("socketpair AF_INET".into(), call!(SYS_socketpair, libc::AF_INET, libc::SOCK_STREAM, 0, null_mut::<i32>())),
        ("bind".into(), call!(SYS_bind, 3, null::<u8>(), 0)),
        ("listen".into(), call!(SYS_listen, 3, 1)),
        ("accept4".into(), call!(SYS_accept4, 3, null::<u8>(), null::<u8>(), 0)),
        ("SO_LINGER".into(), call!(SYS_setsockopt, 3, libc::SOL_SOCKET, libc::SO_LINGER, &raw const linger, size)),
        (
            "SO_ATTACH_FILTER".into(),
            call!(SYS_setsockopt, 3, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &raw const linger, size),
        ),
        ("TCP_ULP".into(), call!(SYS_setsockopt, 3, libc::IPPROTO_TCP, 31, c"tls".as_ptr(), 3)),
    ]
}

/// Makes a pair of sockets and sends a line to the machine's log through one of them.
fn through_a_pair(kind: i32) -> i32 {
    let mut ends = [-1; 2];
    let made = call!(SYS_socketpair, libc::AF_UNIX, kind, 0, ends.as_mut_ptr());
    if made != 0 {
        return made;
    }
    let mut log = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    for (to, from) in log.sun_path.iter_mut().zip(b"/dev/log") {
        *to = from.cast_signed();
    }
    let (line, size) = (c"wca-probe", size_of::<libc::sockaddr_un>());
    call!(SYS_sendto, ends[0], line.as_ptr(), 9, 0, &raw const log, size)
}

fn memory() -> Vec<Attack> {
    let both = libc::PROT_WRITE | libc::PROT_EXEC;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    vec![
        ("mmap to write and run".into(), call!(SYS_mmap, 0, 4096, both, private, -1, 0)),
        ("mprotect to write and run".into(), call!(SYS_mprotect, 0, 4096, both)),
        ("userfaultfd".into(), call!(SYS_userfaultfd, 0)),
    ]
}

fn kernel() -> Vec<Attack> {
    let mut all = vec![
        ("unshare".into(), call!(SYS_unshare, libc::CLONE_NEWUSER)),
        ("setns".into(), call!(SYS_setns, 0, 0)),
        ("perf_event_open".into(), call!(SYS_perf_event_open, null::<u8>(), 0, -1, -1, 0)),
        ("bpf".into(), call!(SYS_bpf, 0, null::<u8>(), 0)),
        ("io_uring_setup".into(), call!(SYS_io_uring_setup, 1, null::<u8>())),
        ("keyctl".into(), call!(SYS_keyctl, 0, 0, 0, 0, 0)),
        ("add_key".into(), call!(SYS_add_key, null::<u8>(), null::<u8>(), null::<u8>(), 0, 0)),
        ("seccomp".into(), call!(SYS_seccomp, 0, 0, null::<u8>())),
        ("PR_SET_DUMPABLE".into(), call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0)),
        ("PR_SET_PTRACER".into(), call!(SYS_prctl, libc::PR_SET_PTRACER, 1, 0, 0, 0)),
        ("PR_SET_PDEATHSIG".into(), call!(SYS_prctl, libc::PR_SET_PDEATHSIG, 0, 0, 0, 0)),
        ("personality".into(), call!(SYS_personality, 0x0004_0000)),
        ("unlink".into(), call!(SYS_unlinkat, libc::AT_FDCWD, c"/tmp/wca-none".as_ptr(), 0)),
        (
            "rename".into(),
            call!(SYS_renameat2, libc::AT_FDCWD, c"/tmp/a".as_ptr(), libc::AT_FDCWD, c"/tmp/b".as_ptr(), 0),
        ),
        ("mkdir".into(), call!(SYS_mkdirat, libc::AT_FDCWD, c"/tmp/wca-probe-dir".as_ptr(), 0o700)),
        ("symlink".into(), call!(SYS_symlinkat, c"/etc".as_ptr(), libc::AT_FDCWD, c"/tmp/wca-probe-link".as_ptr())),
        ("mknod".into(), call!(SYS_mknodat, libc::AT_FDCWD, c"/tmp/wca-probe-node".as_ptr(), 0o600, 0)),
        ("truncate".into(), call!(SYS_truncate, c"/tmp/wca-none".as_ptr(), 0)),
        ("utimensat".into(), call!(SYS_utimensat, libc::AT_FDCWD, c"/tmp".as_ptr(), null::<u8>(), 0)),
        ("setxattr".into(), call!(SYS_setxattr, c"/tmp".as_ptr(), c"user.x".as_ptr(), null::<u8>(), 0, 0)),
        ("inotify_init1".into(), call!(SYS_inotify_init1, 0)),
        ("timer_create".into(), call!(SYS_timer_create, 0, null::<u8>(), null::<u8>())),
        ("ioctl TIOCSTI".into(), call!(SYS_ioctl, 1, libc::TIOCSTI, c"x".as_ptr())),
        ("a number of the x32 kind".into(), {
            // SAFETY: as above; the number is getpid's with the bit of another calling convention.
            errno(unsafe { libc::syscall(libc::SYS_getpid | 0x4000_0000) })
        }),
    ];
    #[cfg(target_arch = "x86_64")]
    all.extend([
        ("creat".into(), call!(SYS_creat, c"/tmp/wca-probe".as_ptr(), 0o600)),
        ("open to write".into(), call!(SYS_open, c"/tmp/wca-probe".as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600)),
        ("iopl".into(), call!(SYS_iopl, 3)),
        ("arch_prctl".into(), call!(SYS_arch_prctl, 0x1001, 0)),
    ]);
    all
}

fn absent() -> Vec<Attack> {
    let how = [0_u64; 3];
    vec![
        ("openat2".into(), call!(SYS_openat2, libc::AT_FDCWD, c"/etc/passwd".as_ptr(), how.as_ptr(), 24)),
        ("clone3".into(), call!(SYS_clone3, how.as_ptr(), 24)),
    ]
}

/// What the warden has handed over cannot be written.
fn descriptors(warden: &mut Connection) -> Vec<Attack> {
    let opened = warden.ask(&Request::Open { file: 0 });
    assert!(matches!(opened.message, Reply::Opened { .. }), "{opened:?}");
    let file = opened.descriptors[0].as_raw_fd();
    warden.roster();
    let sample = warden.ask(&Request::Sample);
    let columns = sample.descriptors[0].as_raw_fd();
    let shared = libc::MAP_SHARED;
    let again = format!("/proc/self/fd/{file}");
    vec![
        ("write the file".into(), call!(SYS_write, file, c"x".as_ptr(), 1)),
        ("truncate the file".into(), call!(SYS_ftruncate, file, 0)),
        ("map the file to write".into(), call!(SYS_mmap, 0, 4096, libc::PROT_WRITE, shared, file, 0)),
        ("open the file again to write".into(), open(&again, libc::O_RDWR)),
        ("chmod the file".into(), call!(SYS_fchmod, file, 0o777)),
        ("write the columns".into(), call!(SYS_pwrite64, columns, c"x".as_ptr(), 1, 0)),
        ("truncate the columns".into(), call!(SYS_ftruncate, columns, 0)),
        ("map the columns to write".into(), call!(SYS_mmap, 0, 4096, libc::PROT_WRITE, shared, columns, 0)),
    ]
}

/// What the agent's work needs still works.
fn harmless() -> Vec<Attack> {
    let code = |result: std::io::Result<()>| result.map_or_else(|error| error.raw_os_error().unwrap_or(-1), |()| 0);
    let thread = std::thread::Builder::new().name("probe".into()).spawn(|| 7);
    let joined = thread.map(|thread| assert!(matches!(thread.join(), Ok(7))));
    // SAFETY: a new socket, owned by the file alone.
    let tcp = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    let made = errno(tcp.into());
    if made == 0 {
        // SAFETY: as above.
        drop(unsafe { File::from_raw_fd(tcp) });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let slept = runtime
        .map(|runtime| runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(5)).await }));
    vec![
        ("may read a file".into(), code(std::fs::read("/etc/passwd").map(drop))),
        ("may start a thread".into(), code(joined)),
        ("may make a TCP socket".into(), made),
        ("may make a pair of streams".into(), code(std::os::unix::net::UnixStream::pair().map(drop))),
        ("may resolve a name".into(), code(("localhost", 80).to_socket_addrs().map(drop))),
        ("may run tokio".into(), code(slept)),
        ("may run code that it makes".into(), {
            // SAFETY: a new mapping of this process, never run.
            errno(unsafe {
                let page =
                    libc::mmap(null_mut(), 4096, libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
                libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC).into()
            })
        }),
    ]
}
