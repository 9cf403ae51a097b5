//! One compiler: its process, its limits, and what it leaves.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl, fstat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Resource, Signal, Uid, pidfd_send_signal};

use crate::config::CompileLimits;
use crate::copy::{Copied, CopyError, memory, seal};
use crate::ended::{Ended, reap};
use crate::start::{Child, Launch, start};

/// Bytes of the compiler's messages that are kept.
const TEXT: usize = 4096;
/// How much longer than its limit a compiler may be waited for, so that the kernel's limit on processor time comes first.
const PATIENCE: Duration = Duration::from_millis(500);

/// What every compiler is started with.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) program: OwnedFd,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) user: Option<(Uid, Gid)>,
    pub(crate) limits: CompileLimits,
}

/// A compiler at work.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    digest: [u8; 32],
    /// What it writes its code to.
    output: OwnedFd,
    /// What it says; none when it has said all.
    errors: Option<OwnedFd>,
    text: Vec<u8>,
    deadline: Instant,
}

/// How far a compiler is.
pub(super) enum State {
    Running(Running),
    /// It has ended: the code, or why there is none.
    Ended {
        digest: [u8; 32],
        result: Result<OwnedFd, String>,
    },
}

impl Compiler {
    /// Starts a compiler on a component.
    pub(super) fn start(&self, component: &Copied) -> Result<Running, String> {
        self.try_start(component).map_err(|error| format!("a compiler could not be started: {error}"))
    }

    fn try_start(&self, component: &Copied) -> Result<Running, String> {
        let told = |call: &'static str| move |errno: Errno| format!("{call}: {errno}");
        let output = memory("wca-code").map_err(|error| error.to_string())?;
        let (errors, child_errors) = pipe_with(PipeFlags::CLOEXEC).map_err(told("pipe2"))?;
        fcntl_setfl(&errors, OFlags::NONBLOCK).map_err(told("O_NONBLOCK"))?;
        let child = start(&Launch {
            what: "a compiler",
            program: self.program.as_fd(),
            arguments: &self.arguments,
            environment: &self.environment,
            descriptors: &[(component.memory.as_fd(), 0), (output.as_fd(), 1), (child_errors.as_fd(), 2)],
            user: self.user,
            limits: &[
                (Resource::As, self.limits.memory),
                (Resource::Cpu, self.limits.time.as_secs().max(1)),
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
            errors: Some(errors),
            text: Vec::new(),
            deadline: Instant::now() + self.limits.time + PATIENCE,
        })
    }
}

impl Running {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.child.pidfd.as_fd()).chain(self.errors.as_ref().map(AsFd::as_fd))
    }

    /// Takes what it has said and, where it has ended, what it leaves.
    pub(super) fn step(mut self, limits: &CompileLimits) -> State {
        self.read_errors();
        let digest = self.digest;
        let late = Instant::now() >= self.deadline;
        if late {
            let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        }
        let result = match reap(&self.child.pidfd, late) {
            Ok(None) => return State::Running(self),
            Ok(Some(ended)) => {
                // What it said just before its end.
                self.read_errors();
                self.result(ended, late, limits)
            }
            Err(errno) => Err(format!("waiting for its compiler: {errno}")),
        };
        State::Ended { digest, result }
    }

    /// Ends it at once.
    pub(super) fn end(self) {
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        let _ = reap(&self.child.pidfd, true);
    }

    /// Keeps the beginning of what the compiler says and takes the rest, so that it never waits for a reader.
    fn read_errors(&mut self) {
        let mut buffer = [0; TEXT];
        // Bounded, since a compiler can write faster than this reads.
        for _ in 0..16 {
            let Some(errors) = &self.errors else { return };
            match rustix::io::read(errors, &mut buffer) {
                Ok(0) => self.errors = None,
                Ok(read) => {
                    let room = TEXT - self.text.len();
                    self.text.extend_from_slice(&buffer[..read.min(room)]);
                }
                Err(_) => return,
            }
        }
    }

    fn result(self, ended: Ended, late: bool, limits: &CompileLimits) -> Result<OwnedFd, String> {
        let text = readable(&self.text);
        if let Some(limit) = exceeded(ended, late, &text, limits) {
            return Err(limit);
        }
        match ended {
            Ended::Exit(0) => {}
            Ended::Exit(_) if !text.is_empty() => return Err(text),
            ended if text.is_empty() => return Err(format!("its compiler has {ended} and said nothing")),
            ended => return Err(format!("its compiler has {ended} and said: {text}")),
        }
        let told = |error: CopyError| format!("machine code from its compiler: {error}");
        seal(&self.output).map_err(told)?;
        match fstat(&self.output).map_err(crate::copy::failed("fstat")).map_err(told)?.st_size {
            0 => Err("its compiler has ended without machine code".into()),
            _ => Ok(self.output),
        }
    }
}

/// Which limit the compiler has exceeded, and how to raise it.
fn exceeded(ended: Ended, late: bool, text: &str, limits: &CompileLimits) -> Option<String> {
    let said = |texts: &[&str]| ended != Ended::Exit(0) && texts.iter().any(|part| text.contains(part));
    if late || ended == Ended::Signal(Signal::XCPU.as_raw()) {
        let seconds = limits.time.as_secs_f64();
        let more = limits.time.as_secs().max(1).saturating_mul(4);
        return Some(format!(
            "compiling it takes more than {seconds} s, the limit (--limit compile-time={more}s raises it)"
        ));
    }
    if ended == Ended::Signal(Signal::XFSZ.as_raw()) || said(&["File too large", "os error 27"]) {
        let most = limits.output;
        let more = most.saturating_mul(4);
        return Some(format!(
            "it compiles to more than {most} bytes, the limit (--limit compile-output={more} raises it)"
        ));
    }
    if said(&["memory allocation of", "Cannot allocate memory", "os error 12", "out of memory"]) {
        let most = limits.memory;
        let more = most.saturating_mul(4);
        return Some(format!(
            "compiling it takes more than {most} bytes of memory, the limit (--limit compile-memory={more} raises it)"
        ));
    }
    None
}

/// The compiler's text for a log, on one line: it repeats names of a component that may hold anything, another line too.
fn readable(text: &[u8]) -> String {
    let mut line = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).trim().chars() {
        if line.len() >= TEXT {
            line.push('…');
            break;
        }
        match character {
            '\n' => line.push_str("\\n"),
            control if control.is_control() => line.push(char::REPLACEMENT_CHARACTER),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exceeded_limit_is_told_with_its_flag() {
        let limits = CompileLimits { time: Duration::from_secs(2), output: 100, memory: 1000, ..Default::default() };
        let cases = [
            (Ended::Exit(0), false, "memory allocation of", None),
            (Ended::Exit(1), false, "invalid component", None),
            (Ended::Signal(11), false, "", None),
            (Ended::Signal(9), true, "", Some("2 s, the limit (--limit compile-time=8s raises it)")),
            (Ended::Signal(24), false, "", Some("2 s, the limit (--limit compile-time=8s raises it)")),
            (Ended::Signal(25), false, "", Some("100 bytes, the limit (--limit compile-output=400 raises it)")),
            (Ended::Exit(1), false, "File too large (os error 27)", Some("(--limit compile-output=400 raises it)")),
            (
                Ended::Signal(6),
                false,
                "memory allocation of 4096 bytes failed",
                Some("1000 bytes of memory, the limit (--limit compile-memory=4000 raises it)"),
            ),
        ];
        for (ended, late, text, expected) in cases {
            let told = exceeded(ended, late, text, &limits);
            match expected {
                Some(expected) => assert!(told.as_ref().is_some_and(|told| told.ends_with(expected)), "{told:?}"),
                None => assert_eq!(told, None),
            }
        }
    }

    #[test]
    fn control_characters_and_lines_of_their_own_do_not_reach_the_log() {
        assert_eq!(readable(b"\x1b[31mred\nnext\x07\xff\n"), "\u{fffd}[31mred\\nnext\u{fffd}\u{fffd}");
        let endless = readable(&b"\nx".repeat(TEXT));
        assert!(endless.len() <= TEXT + 4 && endless.ends_with('…'), "{} bytes", endless.len());
    }
}
