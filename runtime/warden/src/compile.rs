//! Components become machine code, each in a child of its own, while the warden goes on serving.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Resource, Signal, Uid, pidfd_send_signal};
use wca_messages::{Compiled, Refused};

use crate::config::CompileLimits;
use crate::copy::{Copied, Copy};
use crate::ended::{Ended, reap};
use crate::start::{Child, Launch, start};

/// Children at once; others wait.
const CHILDREN: usize = 2;
/// Components that can wait.
const WAITING: usize = 64;
/// Bytes of the compiler's messages that are kept.
const TEXT: usize = 4096;

/// What every compiler is started with.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) program: OwnedFd,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) user: Option<(Uid, Gid)>,
    pub(crate) limits: CompileLimits,
}

/// The components that are on their way.
#[derive(Debug)]
pub(crate) struct Compilations {
    compiler: Compiler,
    jobs: VecDeque<Job>,
}

/// The code of a component with the number of the request that asked for it, or why there is none.
pub(crate) type Finished = (u64, Result<(Compiled, OwnedFd), String>);

/// One component on its way.
#[derive(Debug)]
struct Job {
    /// Number of the request that asked for it.
    number: u64,
    /// Name of the file, for messages.
    name: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Copied into sealed memory, so that what is compiled is what was digested, whoever writes the file meanwhile.
    Copying(Copy),
    /// Waits for a place.
    Ready(Copied),
    Running(Running),
    Done(Result<(Compiled, OwnedFd), String>),
}

#[derive(Debug)]
struct Running {
    child: Child,
    digest: [u8; 32],
    output: OwnedFd,
    errors: OwnedFd,
    text: Vec<u8>,
    deadline: Instant,
}

impl Compilations {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self { compiler, jobs: VecDeque::new() }
    }

    /// Takes a component. Its code comes from [`Self::finished`] under the same number.
    pub(crate) fn add(&mut self, number: u64, name: &str, size: u64, file: OwnedFd) -> Result<(), Refused> {
        if self.jobs.len() >= WAITING {
            return Err(Refused::Oversized(format!("{WAITING} components wait to be compiled; no more are taken")));
        }
        let most = self.compiler.limits.input;
        let stage = if size > most {
            Stage::Done(Err(format!(
                "{name} has {size} bytes: a component may have {most} (--limit component-size={size} takes it)"
            )))
        } else {
            match Copy::new(file, most) {
                Ok(copy) => Stage::Copying(copy),
                Err(error) => Stage::Done(Err(format!("{name}: {error}"))),
            }
        };
        self.jobs.push_back(Job { number, name: name.to_owned(), stage });
        Ok(())
    }

    /// Whether there is something to do without waiting for a descriptor.
    pub(crate) fn is_busy(&self) -> bool {
        let free = self.running().count() < CHILDREN;
        self.jobs.iter().any(|job| match &job.stage {
            Stage::Copying(_) | Stage::Done(_) => true,
            Stage::Ready(_) => free,
            Stage::Running(_) => false,
        })
    }

    /// Whether a component is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// When the first compiler must have ended.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.running().map(|running| running.deadline).min()
    }

    /// What to wait for: ends of compilers, and their messages.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running().flat_map(|running| [running.child.pidfd.as_fd(), running.errors.as_fd()])
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.jobs.iter().filter_map(|job| match &job.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        })
    }

    /// One step of each component: a piece copied, a compiler started, its end noticed. Returns what is finished.
    pub(crate) fn step(&mut self) -> Vec<Finished> {
        let mut free = CHILDREN.saturating_sub(self.running().count());
        let mut finished = Vec::new();
        for mut job in std::mem::take(&mut self.jobs) {
            job.stage = match job.stage {
                Stage::Copying(copy) => match copy.step() {
                    Ok(Ok(copied)) => Stage::Ready(copied),
                    Ok(Err(copy)) => Stage::Copying(copy),
                    Err(error) => Stage::Done(Err(format!("{}: {error}", job.name))),
                },
                Stage::Ready(copied) if free > 0 => {
                    free -= 1;
                    self.compiler.start(&copied).map_or_else(|error| Stage::Done(Err(error)), Stage::Running)
                }
                Stage::Running(running) => running.step(&job.name, &self.compiler.limits),
                stage => stage,
            };
            match job.stage {
                Stage::Done(result) => finished.push((job.number, result)),
                _ => self.jobs.push_back(job),
            }
        }
        finished
    }

    /// Ends all compilers: nobody waits for their code any more.
    pub(crate) fn abandon(&mut self) {
        for job in self.jobs.drain(..) {
            if let Stage::Running(running) = job.stage {
                let _ = pidfd_send_signal(&running.child.pidfd, Signal::KILL);
                let _ = reap(&running.child.pidfd, true);
            }
        }
    }
}

impl Drop for Compilations {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Compiler {
    fn start(&self, component: &Copied) -> Result<Running, String> {
        let failed = |what: &str, errno: Errno| format!("a compiler could not be started: {what}: {errno}");
        let output = memfd_create("wca-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(|errno| failed("memfd_create", errno))?;
        let (errors, child_errors) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed("pipe2", errno))?;
        rustix::fs::fcntl_setfl(&errors, OFlags::NONBLOCK).map_err(|errno| failed("O_NONBLOCK", errno))?;
        let seconds = self.limits.time.as_secs().max(1);
        let child = start(&Launch {
            what: "a compiler",
            program: self.program.as_fd(),
            arguments: &self.arguments,
            environment: &self.environment,
            descriptors: &[(component.memory.as_fd(), 0), (output.as_fd(), 1), (child_errors.as_fd(), 2)],
            user: self.user,
            limits: &[
                (Resource::As, self.limits.memory),
                (Resource::Cpu, seconds),
                (Resource::Fsize, self.limits.output),
                (Resource::Nofile, 64),
                (Resource::Core, 0),
            ],
        })
        .map_err(|error| error.to_string())?;
        Ok(Running {
            child,
            digest: component.digest,
            output,
            errors,
            text: Vec::new(),
            deadline: Instant::now() + self.limits.time + Duration::from_millis(500),
        })
    }
}

impl Running {
    fn step(mut self, name: &str, limits: &CompileLimits) -> Stage {
        self.read_errors();
        let late = Instant::now() >= self.deadline;
        if late {
            let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        }
        let ended = match reap(&self.child.pidfd, late) {
            Ok(None) => return Stage::Running(self),
            Ok(Some(ended)) => ended,
            Err(errno) => return Stage::Done(Err(format!("{name}: waiting for its compiler: {errno}"))),
        };
        // What it wrote just before its end.
        self.read_errors();
        Stage::Done(self.result(ended, late, limits).map_err(|why| format!("{name}: {why}")))
    }

    /// Keeps the beginning of what the compiler says and takes the rest, so that it never waits for a reader.
    fn read_errors(&mut self) {
        let mut buffer = [0; TEXT];
        // Bounded, since a compiler can write faster than this reads.
        for _ in 0..16 {
            match rustix::io::read(&self.errors, &mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    let room = TEXT - self.text.len();
                    self.text.extend_from_slice(&buffer[..read.min(room)]);
                }
            }
        }
    }

    fn result(&self, ended: Ended, late: bool, limits: &CompileLimits) -> Result<(Compiled, OwnedFd), String> {
        let text = readable(&self.text);
        if let Some(limit) = exceeded(ended, late, &text, limits) {
            return Err(limit);
        }
        match ended {
            Ended::Exit(0) => {}
            Ended::Exit(_) if !text.is_empty() => return Err(text),
            ended if text.is_empty() => return Err(format!("the compiler has {ended} and said nothing")),
            ended => return Err(format!("the compiler has {ended} and said: {text}")),
        }
        let failed = |what: &str, errno: Errno| format!("machine code from the compiler: {what}: {errno}");
        let code = rustix::io::fcntl_dupfd_cloexec(&self.output, 3).map_err(|errno| failed("dup", errno))?;
        fcntl_add_seals(&code, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)
            .map_err(|errno| failed("F_ADD_SEALS", errno))?;
        let size = fstat(&code).map_err(|errno| failed("fstat", errno))?.st_size;
        if size == 0 {
            return Err("the compiler has ended without machine code".into());
        }
        Ok((Compiled { digest: self.digest, cached: false }, code))
    }
}

/// Which limit the compiler has exceeded, and how to raise it.
fn exceeded(ended: Ended, late: bool, text: &str, limits: &CompileLimits) -> Option<String> {
    let seconds = limits.time.as_secs();
    let memory = limits.memory;
    let output = limits.output;
    let no_memory = ["memory allocation of", "Cannot allocate memory", "out of memory"];
    if late || ended == Ended::Signal(Signal::XCPU.as_raw()) {
        return Some(format!(
            "compiling it takes more than {seconds} s, the limit (--limit compile-time={}s raises it)",
            seconds.saturating_mul(4)
        ));
    }
    let too_large = ended == Ended::Signal(Signal::XFSZ.as_raw()) || text.contains("File too large");
    if ended != Ended::Exit(0) && too_large {
        return Some(format!(
            "it compiles to more than {output} bytes, the limit (--limit compile-output={} raises it)",
            output.saturating_mul(4)
        ));
    }
    if ended != Ended::Exit(0) && no_memory.iter().any(|said| text.contains(said)) {
        return Some(format!(
            "compiling it takes more than {memory} bytes of memory, the limit (--limit compile-memory={} raises it)",
            memory.saturating_mul(4)
        ));
    }
    None
}

/// The compiler's text for a log: it repeats names of a component that may hold anything.
fn readable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
