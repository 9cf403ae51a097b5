//! Components become machine code, from the cache or each in a child of its own, while the warden goes on serving.

mod child;

use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use wca_messages::{Compiled, Refused};

use crate::cache::{Folder, Key, Looked, Reading, Store, Writing};
use crate::copy::{Copied, Copy};

pub(crate) use child::Compiler;
use child::{Running, State};

/// Children at once; others wait.
const CHILDREN: usize = 2;
/// Components that can wait.
const WAITING: usize = 64;

/// The components that are on their way.
#[derive(Debug)]
pub(crate) struct Compilations {
    compiler: Compiler,
    store: Store,
    jobs: VecDeque<Job>,
    /// Code that is on its way into the cache.
    writings: VecDeque<Writing>,
}

/// The code of a component with the number of the request that asked for it, or why there is none.
pub(crate) type Finished = (u64, Result<(Compiled, OwnedFd), String>);

/// A component that somebody asks for.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Number of the request.
    pub(crate) number: u64,
    /// Name of the file, for messages.
    pub(crate) name: &'a str,
    /// Its size.
    pub(crate) size: u64,
    /// The file.
    pub(crate) file: OwnedFd,
    /// What else its code depends on.
    pub(crate) engine: [u8; 32],
    /// Whether the cache may be used.
    pub(crate) cache: bool,
}

/// One component on its way.
#[derive(Debug)]
struct Job {
    number: u64,
    name: String,
    engine: [u8; 32],
    /// Where its code is kept.
    folder: Option<Rc<Folder>>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Copied into sealed memory, so that what is compiled is what was digested, whoever writes the file meanwhile.
    Copying(Copy),
    /// Looked for in the cache.
    Reading(Copied, Box<Reading>),
    /// Waits for a place.
    Ready(Copied),
    Running(Running),
    Done(Result<(Compiled, OwnedFd), String>),
}

impl Compilations {
    pub(crate) fn new(compiler: Compiler, store: Store) -> Self {
        Self { compiler, store, jobs: VecDeque::new(), writings: VecDeque::new() }
    }

    /// Takes a component. Its code comes from [`Self::step`] under the same number.
    pub(crate) fn add(&mut self, wanted: Wanted<'_>) -> Result<(), Refused> {
        if self.jobs.len() >= WAITING {
            return Err(Refused::Oversized(format!("{WAITING} components wait to be compiled; no more are taken")));
        }
        let Wanted { number, name, size, file, engine, cache } = wanted;
        let most = self.compiler.limits.input;
        let stage = if size > most {
            Stage::Done(Err(format!(
                "{name} has {size} bytes: a component may have {most} (--limit component-size={size} takes it)"
            )))
        } else {
            Copy::new(file, most).map_or_else(|error| Stage::Done(Err(format!("{name}: {error}"))), Stage::Copying)
        };
        let folder = if cache { self.store.folder() } else { None };
        self.jobs.push_back(Job { number, name: name.to_owned(), engine, folder, stage });
        Ok(())
    }

    /// Whether there is something to do without waiting for a descriptor.
    pub(crate) fn is_busy(&self) -> bool {
        let free = self.running().count() < CHILDREN;
        !self.writings.is_empty()
            || self.jobs.iter().any(|job| match &job.stage {
                Stage::Copying(_) | Stage::Reading(..) | Stage::Done(_) => true,
                Stage::Ready(_) => free,
                Stage::Running(_) => false,
            })
    }

    /// Whether nobody waits for a component.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// When the first compiler must have ended.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.running().map(Running::deadline).min()
    }

    /// What to wait for: ends of compilers, and their messages.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running().flat_map(Running::descriptors)
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.jobs.iter().filter_map(|job| match &job.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        })
    }

    /// One step: a piece of the first that moves pieces, compilers started as far as there is room, the ends of others
    /// noticed. Returns what is finished.
    pub(crate) fn step(&mut self) -> Vec<Finished> {
        let mut finished = Vec::new();
        let mut may_move = true;
        let mut free = CHILDREN.saturating_sub(self.running().count());
        for mut job in std::mem::take(&mut self.jobs) {
            let moves = matches!(job.stage, Stage::Copying(_) | Stage::Reading(..));
            if moves && std::mem::take(&mut may_move) {
                job = job.moved(self.compiler.limits.output);
            }
            job.stage = match job.stage {
                Stage::Ready(copied) if free > 0 => {
                    free -= 1;
                    let started = self.compiler.start(&copied);
                    started.map_or_else(|error| Stage::Done(Err(format!("{}: {error}", job.name))), Stage::Running)
                }
                Stage::Running(running) => match running.step(&self.compiler.limits) {
                    State::Running(running) => Stage::Running(running),
                    State::Ended { digest, result } => {
                        if let (Ok(code), Some(folder)) = (&result, &job.folder) {
                            self.writings.extend(keep(folder, Key::new(&digest, &job.engine), code));
                        }
                        let name = &job.name;
                        Stage::Done(
                            result
                                .map(|code| (Compiled { digest, cached: false }, code))
                                .map_err(|why| format!("{name}: {why}")),
                        )
                    }
                },
                stage => stage,
            };
            match job.stage {
                Stage::Done(result) => finished.push((job.number, result)),
                _ => self.jobs.push_back(job),
            }
        }
        if may_move {
            self.write();
        }
        finished
    }

    /// Writes a piece of what goes into the cache.
    fn write(&mut self) {
        let Some(mut writing) = self.writings.pop_front() else { return };
        match writing.step() {
            Ok(false) => self.writings.push_front(writing),
            Ok(true) => self.store.prune(),
            Err(error) => tracing::warn!("keeping compiled code in {}: {error}", writing.path().display()),
        }
    }

    /// Ends all compilers: nobody waits for their code any more.
    pub(crate) fn abandon(&mut self) {
        for job in self.jobs.drain(..) {
            if let Stage::Running(running) = job.stage {
                running.end();
            }
        }
    }

    /// Writes the rest of what goes into the cache.
    pub(crate) fn finish(&mut self) {
        self.abandon();
        while !self.writings.is_empty() {
            self.write();
        }
    }
}

impl Drop for Compilations {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Job {
    /// A piece further, from the file or from the cache.
    fn moved(mut self, most: u64) -> Self {
        self.stage = match self.stage {
            Stage::Copying(copy) => match copy.step() {
                Ok(Ok(copied)) => match &self.folder {
                    Some(folder) => {
                        let key = Key::new(&copied.digest, &self.engine);
                        looked(copied, Reading::find(folder, key, most))
                    }
                    None => Stage::Ready(copied),
                },
                Ok(Err(copy)) => Stage::Copying(copy),
                Err(error) => Stage::Done(Err(format!("{}: {error}", self.name))),
            },
            Stage::Reading(copied, reading) => looked(copied, reading.step()),
            stage => stage,
        };
        self
    }
}

fn looked(copied: Copied, looked: Looked) -> Stage {
    match looked {
        Looked::Miss => Stage::Ready(copied),
        Looked::Reading(reading) => Stage::Reading(copied, reading),
        Looked::Hit(code) => Stage::Done(Ok((Compiled { digest: copied.digest, cached: true }, code))),
    }
}

/// Begins to keep code. That it cannot be kept costs the next start some time.
fn keep(folder: &Rc<Folder>, key: Key, code: &OwnedFd) -> Option<Writing> {
    let writing = code
        .try_clone()
        .map_err(|error| error.to_string())
        .and_then(|code| Writing::new(folder, key, code).map_err(|error| error.to_string()));
    writing.map_err(|error| tracing::warn!("compiled code is not kept: {error}")).ok()
}
