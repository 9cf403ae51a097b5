//! A tool of the machine that is run for what it prints, with a limit on its time and on what it prints.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

/// Most bytes that are taken of what a tool prints.
const MOST: usize = 1 << 20;

/// What a run of a tool came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// There is no such program.
    NotInstalled,
    /// What it has printed.
    Printed(Vec<u8>),
    /// Why that is nothing.
    Failed(String),
}

/// Runs a program, by its path or as a shell would find it, until it ends or the time is up.
pub(crate) fn run(program: &OsStr, arguments: &[&str], limit: Duration) -> Ran {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let mut command = Command::new(program);
    // Tools print what the operator's language is, and secrets of the environment are none of their business.
    command.args(arguments).env_clear().env("PATH", path).env("LC_ALL", "C").current_dir("/");
    // A group of its own, so that what it starts ends with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let name = program.to_string_lossy();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ran::NotInstalled,
        Err(error) => return Ran::Failed(format!("{name} cannot be run: {error}")),
    };
    let deadline = Instant::now() + limit;
    let printed = child.stdout.take().map_or_else(|| Ok(Vec::new()), |output| read(&output, deadline));
    let ended = printed.and_then(|printed| Ok((printed, wait(&mut child, deadline)?)));
    match ended {
        Ok((printed, status)) if status.success() => Ran::Printed(printed),
        Ok((_, status)) => Ran::Failed(format!("{name} {}: {status}", arguments.join(" "))),
        Err(stopped) => {
            end(&mut child);
            Ran::Failed(match stopped {
                Stopped::Late => format!("{name} {} has not ended within {limit:?}", arguments.join(" ")),
                Stopped::TooMuch => format!("{name} {} prints more than {MOST} bytes", arguments.join(" ")),
                Stopped::Failed(error) => format!("{name} {}: {error}", arguments.join(" ")),
            })
        }
    }
}

/// Why a tool was ended.
enum Stopped {
    Late,
    TooMuch,
    Failed(io::Error),
}

impl From<rustix::io::Errno> for Stopped {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Failed(errno.into())
    }
}

fn read(output: &ChildStdout, deadline: Instant) -> Result<Vec<u8>, Stopped> {
    fcntl_setfl(output, OFlags::NONBLOCK)?;
    let mut printed = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stopped::Late);
        }
        let left = Timespec::try_from(left).map_err(|_| Stopped::Late)?;
        match poll(&mut [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)], Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        match rustix::io::read(output, &mut buffer) {
            Ok(0) => return Ok(printed),
            Ok(count) if printed.len() + count > MOST => return Err(Stopped::TooMuch),
            Ok(count) => printed.extend_from_slice(&buffer[..count]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A tool that has closed its output ends at once, as a rule.
fn wait(child: &mut Child, deadline: Instant) -> Result<std::process::ExitStatus, Stopped> {
    loop {
        if let Some(status) = child.try_wait().map_err(Stopped::Failed)? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            return Err(Stopped::Late);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end(child: &mut Child) {
    // It is not reaped yet, so the number is still its own.
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str, limit: Duration) -> Ran {
        run(OsStr::new("sh"), &["-c", script], limit)
    }

    #[test]
    fn what_a_tool_prints_is_taken() {
        assert_eq!(
            shell("echo one; echo two >&2; sleep 0.05; echo three", LIMIT),
            Ran::Printed(b"one\nthree\n".into())
        );
        assert_eq!(shell("exec 1>&-; sleep 0.05", LIMIT), Ran::Printed(vec![]));
        assert_eq!(shell("pwd; echo $LC_ALL$HOME", LIMIT), Ran::Printed(b"/\nC\n".into()));
    }

    #[test]
    fn a_tool_that_is_not_there_is_told_from_one_that_fails() {
        assert_eq!(run(OsStr::new("no-such-tool-at-all"), &[], LIMIT), Ran::NotInstalled);
        let Ran::Failed(why) = shell("echo half; exit 3", LIMIT) else { panic!("it has failed") };
        assert!(why.starts_with("sh -c echo half; exit 3: ") && why.ends_with('3'), "{why}");
        let Ran::Failed(why) = run(OsStr::new("/"), &[], LIMIT) else { panic!("a folder is no program") };
        assert!(why.starts_with("/ cannot be run: "), "{why}");
    }

    #[test]
    fn a_tool_that_does_not_end_is_ended_with_all_that_it_started() {
        for script in ["sleep 1000", "sleep 1000 & sleep 1000", "exec 1>&-; sleep 1000"] {
            let begun = Instant::now();
            let Ran::Failed(why) = shell(script, Duration::from_millis(200)) else { panic!("{script}") };
            assert!(why.ends_with("has not ended within 200ms"), "{why}");
            assert!(begun.elapsed() < LIMIT);
        }
    }

    #[test]
    fn a_tool_that_prints_without_end_is_ended() {
        let Ran::Failed(why) = run(OsStr::new("yes"), &[], LIMIT) else { panic!("it prints for ever") };
        assert!(why.ends_with("prints more than 1048576 bytes"), "{why}");
    }
}
