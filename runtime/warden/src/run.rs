//! The warden's loop.

mod reread;

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use wca_control::{Policy, Settings};
use wca_kernel::Roots;
use wca_messages::{Event, Reply};
use wca_model::{Mode, Platform};

use crate::agent::Agent;
use crate::backoff::Backoff;
use crate::cache::Store;
use crate::changes::Changes;
use crate::compile::Compilations;
use crate::config::{Restart, WardenConfig};
use crate::ended::{Ended, reap};
use crate::error::{WardenError, system};
use crate::inputs::Input;
use crate::launch::Launcher;
use crate::measure::Measure;
use crate::named::Named;
use crate::notify::notify;
use crate::numbered::Numbered;
use crate::operator::{Asked, Operator};
use crate::outputs::Output;
use crate::reload::Terms;
use crate::rundir::{RunDir, RunDirError};
use crate::serve::{Answer, Service};
use crate::signals::Signals;
use crate::user::agent_user;

/// Runs the warden until its agent has ended for good, and returns the code with which the program should end: 0, or the 1
/// or 2 with which the agent has reported an error that a new start would not mend.
///
/// It takes SIGTERM, SIGINT and SIGHUP while it runs, and should be called from the only thread of its process.
///
/// # Errors
/// [`WardenError`] where the warden or its first agent cannot be started at all.
pub fn run(config: WardenConfig) -> Result<u8, WardenError> {
    Warden::new(config)?.run()
}

struct Warden {
    service: Service,
    operator: Option<Operator>,
    agent: Option<Agent>,
    launcher: Launcher,
    backoff: Backoff,
    restart: Restart,
    /// Starts in a row without a first message.
    mute: u32,
    /// When the agent is started again.
    start_at: Option<Instant>,
    signals: Signals,
    grace: Duration,
    stopping: bool,
    /// When the agent must have ended.
    end_by: Option<Instant>,
    ready: bool,
    /// The operator has asked by SIGHUP for the configuration to be read again, and it was not yet.
    rereads: bool,
    /// What is being read was asked for so.
    is_by_signal: bool,
}

/// What the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    AgentSocket,
    AgentEnd,
    Compilers,
    Operator,
}

impl Warden {
    fn new(config: WardenConfig) -> Result<Self, WardenError> {
        // Closes /proc/<warden>/mem and ptrace to an agent of the same user.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(system("PR_SET_DUMPABLE"))?;
        let signals = Signals::new()?;
        let user = agent_user(config.user.as_deref())?;
        let launcher = Launcher::new(config.program, config.agent, user)?;
        let compiler = launcher.compiler(config.compiler, config.compile)?;
        let outputs = config.outputs.iter().map(Output::open).collect::<Result<_, _>>()?;
        let none = Numbered::new("listener", Vec::new());
        let listeners = none.at(&config.listeners)?;
        let run_dir =
            if config.serves_operator { run_dir(config.run_dir.as_deref(), config.control.mode)? } else { None };
        let measure = Measure::new(&config.roots, config.wanted.clone())?;
        // A job that is soon over decides nothing.
        let control = if config.serves_operator { config.control.clone() } else { Settings::default() };
        let changes = changes(&config.roots, run_dir.as_ref(), &control, &config.policies, measure.platform())?;
        let service = Service::new(
            Terms {
                settings: config.settings,
                policies: config.policies,
                control: config.control,
                kubelet: config.kubelet,
                wanted: config.wanted.clone(),
                ticks: config.ticks,
            },
            Named {
                files: Numbered::new("file", config.files),
                outputs: Numbered::new("output", outputs),
                inputs: Numbered::new("input", config.inputs.into_iter().map(Input::new).collect()),
                listeners: Numbered::new("listener", listeners),
            },
            measure,
            Compilations::new(compiler, Store::new(config.cache, config.compile.cache)),
            changes,
            config.reload,
        );
        let operator = match run_dir {
            Some(run_dir) => operator(run_dir, config.run_dir.is_some())?,
            None => None,
        };
        Ok(Self {
            service,
            operator,
            agent: None,
            launcher,
            backoff: Backoff::new(config.restart),
            restart: config.restart,
            mute: 0,
            start_at: None,
            signals,
            grace: config.grace,
            stopping: false,
            end_by: None,
            ready: false,
            rereads: false,
            is_by_signal: false,
        })
    }

    fn run(mut self) -> Result<u8, WardenError> {
        self.agent = Some(self.launcher.agent()?);
        let code = self.serve();
        self.service.changes.end();
        // What was compiled last may still be on its way into the cache.
        self.service.compilations.finish();
        code
    }

    fn serve(&mut self) -> Result<u8, WardenError> {
        loop {
            let ready = self.wait()?;
            if ready.contains(&Source::Signals) {
                self.take_signals();
            }
            if self.stopping && self.agent.is_none() {
                return Ok(0);
            }
            if ready.contains(&Source::AgentSocket) {
                self.serve_agent();
            }
            if let Some(operator) = &mut self.operator
                && (ready.contains(&Source::Operator) || operator.deadline().is_some())
            {
                match operator.serve(&mut self.service) {
                    Asked::Nothing => {}
                    Asked::Reload => self.tell_of_reload(),
                    Asked::Misread => self.tell_of_misreading(),
                }
            }
            self.settle_reload();
            self.read_again();
            self.compile();
            if ready.contains(&Source::AgentEnd)
                && let Some(code) = self.agent_ended()?
            {
                return Ok(code);
            }
            self.watch();
            self.start_again();
        }
    }

    /// Waits for the next thing to do.
    fn wait(&self) -> Result<Vec<Source>, WardenError> {
        let mut sources = vec![(Source::Signals, self.signals.as_fd(), PollFlags::IN)];
        if let Some(agent) = &self.agent {
            sources.push((Source::AgentEnd, agent.child.pidfd.as_fd(), PollFlags::IN));
            if let Some(socket) = agent.socket() {
                let direction = if agent.is_full() { PollFlags::OUT } else { PollFlags::IN };
                sources.push((Source::AgentSocket, socket, direction));
            }
        }
        sources.extend(self.service.compilations.descriptors().map(|fd| (Source::Compilers, fd, PollFlags::IN)));
        if let Some(operator) = &self.operator {
            sources.extend(operator.descriptors().map(|fd| (Source::Operator, fd, PollFlags::IN)));
        }
        poll_sources(&sources, self.deadline())
    }

    /// When there is something to do even if nothing comes; none: never.
    fn deadline(&self) -> Option<Instant> {
        if self.service.compilations.is_busy() {
            return Some(Instant::now());
        }
        let silence = self.agent.as_ref().and_then(|agent| self.silent_until(agent));
        let operator = self.operator.as_ref().and_then(Operator::deadline);
        let compiler = self.service.compilations.deadline();
        [self.start_at, self.end_by, compiler, operator, silence].into_iter().flatten().min()
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            // Without a configuration file to read again, SIGHUP says what it says to every program: the terminal has gone.
            if signal == Signal::SIGHUP && self.service.reload.is_some() {
                self.rereads = true;
                continue;
            }
            if std::mem::replace(&mut self.stopping, true) {
                tracing::warn!("{signal} again: ending the agent at once");
                self.end_by = Some(Instant::now());
                continue;
            }
            tracing::info!("{signal}: ending");
            notify("STOPPING=1");
            self.start_at = None;
            self.end_by = Some(Instant::now() + self.grace);
            if let Some(agent) = &mut self.agent {
                agent.tell(Event::Stop);
            }
        }
    }

    fn serve_agent(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        if agent.is_full() {
            agent.flush();
        } else {
            agent.serve(&mut self.service);
        }
        if agent.session.begun && !std::mem::replace(&mut self.ready, true) {
            notify("READY=1");
        }
        if agent.closed && self.end_by.is_none() {
            // It ends now, or is of no use.
            self.end_by = Some(Instant::now() + self.grace);
        }
    }

    /// One step of each component that is on its way.
    fn compile(&mut self) {
        for (number, result) in self.service.compilations.step() {
            let Some(agent) = &mut self.agent else { continue };
            // Silence while a component was compiled is nobody's fault.
            agent.sampled = Instant::now();
            let (reply, descriptor) = match result {
                Ok((compiled, code)) => (Reply::Compiled(Ok(compiled)), Some(code)),
                Err(why) => (Reply::Compiled(Err(why)), None),
            };
            agent.answer(number, Answer { reply, descriptor });
        }
    }

    /// Takes the agent's end: the code with which the program ends, or none where the agent is started again.
    fn agent_ended(&mut self) -> Result<Option<u8>, WardenError> {
        let Some(agent) = &self.agent else { return Ok(None) };
        let Some(ended) = reap(&agent.child.pidfd, false).map_err(system("waitid"))? else { return Ok(None) };
        let (greeted, lived, late) = (agent.session.greeted, agent.started.elapsed(), agent.late);
        self.agent = None;
        self.service.compilations.abandon();
        self.abandon_reload(&ended.to_string());
        self.end_by = None;
        match ended {
            Ended::Exit(code @ 0..=2) => return Ok(u8::try_from(code).ok()),
            ended if self.stopping => {
                let why = if late { ", since it did not end in time" } else { "" };
                tracing::error!("the agent has {ended}{why}");
                return Ok(Some(1));
            }
            _ => {}
        }
        self.service.changes.agent_ended();
        self.mute = if greeted { 0 } else { self.mute + 1 };
        if self.mute >= self.restart.mute {
            return Err(WardenError::Mute { starts: self.mute, last: ended.to_string() });
        }
        let wait = self.backoff.after(lived);
        tracing::error!("the agent has {ended} after {:.1} s; it is started again in {wait:?}", lived.as_secs_f64());
        self.start_at = Some(Instant::now() + wait);
        Ok(None)
    }

    /// Ends an agent that does not end by itself, and one that has fallen silent.
    fn watch(&mut self) {
        let now = Instant::now();
        let Some(agent) = &mut self.agent else { return };
        if self.end_by.is_some_and(|end| now >= end) {
            agent.kill();
            agent.late = true;
            // Until its end comes, there is nothing to wait for; it cannot refuse.
            self.end_by = Some(now + Duration::from_secs(1));
            return;
        }
        let Some(agent) = &self.agent else { return };
        let (Some(silent), Some(ticks)) = (self.silent_until(agent), self.service.terms.ticks) else { return };
        if now < silent {
            return;
        }
        let since = agent.sampled.elapsed().as_secs_f64();
        let Some(agent) = &mut self.agent else { return };
        if std::mem::replace(&mut agent.reported, true) {
            tracing::error!("the agent has asked for no sample for {since:.1} s: it is killed and started again");
            agent.kill();
            agent.sampled = now;
        } else {
            let interval = ticks.interval.as_secs_f64();
            tracing::warn!("the agent has asked for no sample for {since:.1} s, at an interval of {interval} s");
        }
    }

    /// When the agent's silence is reported, or after that, ended. It counts once it has begun to ask for samples.
    fn silent_until(&self, agent: &Agent) -> Option<Instant> {
        let ticks = self.service.terms.ticks?;
        if self.stopping || !agent.session.has_sampled || !self.service.compilations.is_empty() {
            return None;
        }
        let intervals = if agent.reported { ticks.kill.max(ticks.report) } else { ticks.report };
        Some(agent.sampled + ticks.interval * intervals)
    }

    /// Starts the next agent when its time has come.
    fn start_again(&mut self) {
        if self.stopping || self.agent.is_some() || self.start_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.start_at = match self.launcher.agent() {
            Ok(agent) => {
                self.agent = Some(agent);
                None
            }
            Err(error) => {
                let wait = self.backoff.after(Duration::ZERO).max(self.restart.first);
                tracing::error!("{error}; tried again in {wait:?}");
                Some(Instant::now() + wait)
            }
        };
    }
}

/// Waits until one of the sources is ready or the deadline has come.
fn poll_sources(
    sources: &[(Source, BorrowedFd<'_>, PollFlags)],
    deadline: Option<Instant>,
) -> Result<Vec<Source>, WardenError> {
    let mut fds: Vec<PollFd<'_>> = sources.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    let timeout = deadline.map(|deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
    });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(system("poll")(errno)),
    }
    let ready = fds.iter().zip(sources).filter(|(fd, _)| !fd.revents().is_empty());
    Ok(ready.map(|(_, (source, _, _))| *source).collect())
}

/// The run directory. Where nobody named a folder and the usual one cannot be had, WCA runs without.
fn run_dir(named: Option<&Path>, mode: Mode) -> Result<Option<RunDir>, WardenError> {
    let taken = match mode {
        Mode::Shadow => RunDir::take(named),
        Mode::Apply => RunDir::take_alone(named),
    };
    optional(taken, named.is_some())
}

/// The operator's socket, in the run directory.
fn operator(run_dir: RunDir, is_named: bool) -> Result<Option<Operator>, WardenError> {
    optional(Operator::new(run_dir), is_named)
}

fn optional<T>(found: Result<T, RunDirError>, is_named: bool) -> Result<Option<T>, WardenError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if !is_named => {
            tracing::warn!("{error}; the operator's commands do not reach this agent");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Who makes changes, with the journal in the run directory, where this process has it to itself.
fn changes(
    roots: &Roots,
    run_dir: Option<&RunDir>,
    settings: &Settings,
    policies: &[Policy],
    platform: &Platform,
) -> Result<Changes, WardenError> {
    if let Some(run_dir) = run_dir.filter(|run_dir| run_dir.is_beside && settings.mode == Mode::Apply) {
        return Err(WardenError::Beside { path: run_dir.path.clone() });
    }
    let folder = run_dir.filter(|run_dir| !run_dir.is_beside).map(|run_dir| run_dir.path.clone());
    Changes::open(roots, folder, settings.clone(), policies.to_vec(), platform)
}
