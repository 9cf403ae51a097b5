//! Cgroups of our own, for demonstrations, measurements and tests.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::KernelError;
use crate::cgroup::{Hierarchies, Hierarchy, Version, relative_cgroup_path};

/// A cgroup that is removed when this is dropped, with those above it that were made for it.
///
/// Cgroups that stood there before are never written and never removed. Processes in it must have ended by then: a
/// process that lives keeps its cgroup alive.
#[derive(Debug)]
pub struct Scratch {
    /// What was made, in each hierarchy from the bottom up.
    made: Vec<Arc<Made>>,
    /// The cgroup itself in each hierarchy that let us.
    dirs: Vec<PathBuf>,
}

/// How long a process may take to leave its cgroup after it has ended.
const PATIENCE: Duration = Duration::from_millis(500);

impl Scratch {
    /// Makes the cgroup `path` (such as `wca-demo/busy`) in every hierarchy where this user may.
    ///
    /// # Errors
    /// [`KernelError::CgroupPath`] for a name that is none; [`KernelError::Make`] where a cgroup of that name exists
    /// already; [`KernelError::NowhereToMake`] where no hierarchy lets this user make one.
    pub fn create(hierarchies: &Hierarchies, path: &str) -> Result<Self, KernelError> {
        let relative = match relative_cgroup_path(path) {
            Ok("") => Err("it is the root"),
            other => other,
        };
        let relative = relative.map_err(|reason| KernelError::CgroupPath { path: path.into(), reason })?;
        let mut scratch = Self { made: Vec::new(), dirs: Vec::new() };
        let mut reasons = Vec::new();
        for hierarchy in hierarchies.all() {
            match scratch.create_in(hierarchy, relative) {
                Ok(()) => {}
                Err(error @ KernelError::Make { .. }) if exists_already(&error) => return Err(error),
                Err(error) => reasons.push(error),
            }
        }
        if scratch.dirs.is_empty() {
            return Err(KernelError::NowhereToMake { path: path.into(), reasons: summary(&reasons) });
        }
        Ok(scratch)
    }

    fn create_in(&mut self, hierarchy: &Hierarchy, relative: &str) -> Result<(), KernelError> {
        let mut dir = hierarchy.dir.clone();
        let mut names = relative.split('/').peekable();
        // Where this hierarchy's own begin, so that each stands before the one above it, and what was made before a
        // failure is removed with the rest.
        let start = self.made.len();
        while let Some(name) = names.next() {
            dir.push(name);
            if let Some(made) = Made::at(&dir, hierarchy, names.peek().is_none())? {
                self.made.insert(start, made);
            }
        }
        self.dirs.push(dir);
        Ok(())
    }

    /// Directories of the cgroup, one per hierarchy that has it.
    #[must_use]
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Moves a process into the cgroup, in every hierarchy that has it.
    ///
    /// # Errors
    /// [`KernelError::Write`] where the process has ended, or the kernel refuses; it may have been moved in some.
    pub fn add_process(&self, pid: u32) -> Result<(), KernelError> {
        for dir in &self.dirs {
            write(&dir.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(())
    }

    /// Like [`Scratch::add_process`], for this process itself.
    ///
    /// # Errors
    /// As [`Scratch::add_process`].
    pub fn add_self(&self) -> Result<(), KernelError> {
        self.add_process(Pid::as_raw(Some(rustix::process::getpid())).unsigned_abs())
    }

    /// Removes the cgroup now, and says what dropping it could not: that something remained.
    ///
    /// # Errors
    /// [`KernelError::Remove`] with the first directory that remained.
    pub fn remove(mut self) -> Result<(), KernelError> {
        self.remove_all()
    }

    fn remove_all(&mut self) -> Result<(), KernelError> {
        let deadline = Instant::now() + PATIENCE;
        let mut result = Ok(());
        for made in self.made.drain(..) {
            // Another scratch cgroup beside this one may still need those above; the last one removes them.
            if let Some(made) = Arc::into_inner(made) {
                result = result.and(made.remove(deadline));
            }
        }
        result
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to tell; `remove` is for those who want to know.
        let _ = self.remove_all();
    }
}

/// What the hierarchies said: all of them usually say the same, and then one is quoted.
fn summary(errors: &[KernelError]) -> String {
    let said = |error: &KernelError| std::error::Error::source(error).map(ToString::to_string);
    let mut distinct: Vec<(&KernelError, usize)> = Vec::new();
    for error in errors {
        match distinct.iter_mut().find(|(other, _)| said(other) == said(error)) {
            Some((_, more)) => *more += 1,
            None => distinct.push((error, 0)),
        }
    }
    let texts: Vec<String> = distinct
        .into_iter()
        .map(|(error, more)| if more == 0 { error.to_string() } else { format!("{error}, and {more} alike") })
        .collect();
    if texts.is_empty() { "none is mounted".to_owned() } else { texts.join("; ") }
}

fn exists_already(error: &KernelError) -> bool {
    matches!(error, KernelError::Make { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
}

/// A directory that this process made.
#[derive(Debug)]
struct Made {
    dir: PathBuf,
}

/// What this process made, so that cgroups side by side share those above them, whichever is dropped first.
static OURS: Mutex<BTreeMap<PathBuf, Weak<Made>>> = Mutex::new(BTreeMap::new());

fn ours() -> MutexGuard<'static, BTreeMap<PathBuf, Weak<Made>>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Made {
    /// Makes a directory; none where it is there already and somebody else's.
    fn at(dir: &Path, hierarchy: &Hierarchy, is_last: bool) -> Result<Option<Arc<Self>>, KernelError> {
        let mut ours = ours();
        if let Some(made) = ours.get(dir).and_then(Weak::upgrade).filter(|_| !is_last) {
            return Ok(Some(made));
        }
        match fs::create_dir(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !is_last => return Ok(None),
            Err(source) => return Err(KernelError::Make { path: dir.to_owned(), source }),
        }
        let made = Arc::new(Self { dir: dir.to_owned() });
        ours.insert(dir.to_owned(), Arc::downgrade(&made));
        drop(ours);
        if let Err(error) = prepare(dir, hierarchy, is_last) {
            // It holds nothing yet, so it goes at once; what a failure to remove it means, the next user of the name hears.
            let _ = made.remove_now();
            return Err(error);
        }
        Ok(Some(made))
    }

    fn remove(&self, deadline: Instant) -> Result<(), KernelError> {
        loop {
            match self.remove_now() {
                Ok(()) => return Ok(()),
                // A process that has ended leaves its cgroup a moment later.
                Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(Duration::from_millis(5)),
                Err(source) => return Err(KernelError::Remove { path: self.dir.clone(), source }),
            }
        }
    }

    fn remove_now(&self) -> io::Result<()> {
        ours().remove(&self.dir);
        match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BUSY)
}

/// Gives a new cgroup what it needs before a process can be in it.
fn prepare(dir: &Path, hierarchy: &Hierarchy, is_last: bool) -> Result<(), KernelError> {
    if hierarchy.version == Version::V1 && hierarchy.has("cpuset") {
        // A new v1 cpuset has no processors and no memory, and refuses processes (cgroup-v1/cpusets.rst).
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let above = dir.with_file_name(file);
            let value = fs::read_to_string(&above).map_err(|source| KernelError::Read { path: above, source })?;
            write(&dir.join(file), value.trim())?;
        }
    }
    if hierarchy.version == Version::V2 && !is_last {
        // Controllers reach a cgroup only where the one above hands them down, and only ours may be told to. One that
        // cannot be handed down (a threaded cgroup, a kernel with real-time groups) is a file less, no failure.
        let available = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
        for controller in available.split_whitespace() {
            let _ = write(&dir.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
    }
    Ok(())
}

fn write(path: &Path, value: &str) -> Result<(), KernelError> {
    // Never creates: a file that is missing means that the kernel lacks it, or that this is no cgroup.
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(|source| KernelError::Write { path: path.to_owned(), value: value.to_owned(), source })
}
