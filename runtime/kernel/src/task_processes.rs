//! The files of processes and threads in /proc, for families that follow those of tasks.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::{Errno, retry_on_intr, write};

use crate::cgroup::leaves::topmost;
use crate::cgroup::processes::{Listed, Processes, sort_once};
use crate::cgroup::{Hierarchies, relative_cgroup_path};
use crate::family::Moment;
use crate::files::{open_below, reread_parts};
use crate::machine::notice;
use crate::{Notice, Roots, TaskCgroups};

/// Reads and writes files of processes and threads, and says once of each kind of file what is wrong with it.
///
/// Files are opened for each reading: threads are many, and the kernel's work for these files is far more than the opening.
pub(crate) struct TaskProcesses {
    root: PathBuf,
    /// Opened as a path only; none where there is no /proc.
    proc: Option<OwnedFd>,
    /// Reused for the path of a file.
    path: String,
    processes: Processes,
    /// Reused for what is listed.
    ids: Vec<u32>,
}

impl TaskProcesses {
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies) -> Self {
        let root = roots.path("/proc");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = open(&root, flags, Mode::empty()).ok();
        Self { root, proc, path: String::new(), processes: Processes::new(hierarchies), ids: Vec::new() }
    }

    /// Whether this kernel has a file of that name for processes.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.root.join("self").join(name).exists()
    }

    /// The processes or threads in the cgroups of a task, by number. What cannot be listed is said, once.
    pub(crate) fn list(&mut self, cgroups: &[String], listed: Listed, moment: &mut Moment<'_>) -> Vec<u32> {
        let mut ids = std::mem::take(&mut self.ids);
        ids.clear();
        for cgroup in cgroups {
            if let Err(error) = self.processes.read(cgroup, listed, moment.buffer, &mut ids)
                && moment.said.first(("processes", format!("{listed:?}")))
            {
                moment.notices.extend(notice(error));
            }
        }
        sort_once(&mut ids);
        ids
    }

    /// Takes back the list, to be filled again.
    pub(crate) fn give_back(&mut self, ids: Vec<u32>) {
        self.ids = ids;
    }

    /// Reads a file of a process; none where the process has ended, or the file cannot be read, which is said.
    pub(crate) fn read<'a>(&mut self, id: u32, name: &str, moment: &'a mut Moment<'_>) -> Option<&'a [u8]> {
        match self.open(id, name, OFlags::RDONLY).and_then(|file| reread_parts(&file, moment.buffer)) {
            Ok(count) => Some(&moment.buffer[..count]),
            Err(error) => {
                self.trouble(id, name, error, moment, unreadable);
                None
            }
        }
    }

    /// Writes into a file of a process that has not ended; what the kernel refuses is said.
    pub(crate) fn write(&mut self, id: u32, name: &str, text: &str, moment: &mut Moment<'_>) {
        let opened = self.open(id, name, OFlags::WRONLY);
        if let Err(error) = opened.and_then(|file| retry_on_intr(|| write(&file, text.as_bytes()))) {
            self.trouble(id, name, error, moment, |path, error| Notice::Unwritable { path, error: error.to_string() });
        }
    }

    fn open(&mut self, id: u32, name: &str, access: OFlags) -> Result<OwnedFd, Errno> {
        let proc = self.proc.as_ref().ok_or(Errno::NOENT)?;
        self.path.clear();
        // Writing to a string does not fail.
        let _ = write!(self.path, "{id}/{name}");
        if access == OFlags::RDONLY {
            return open_below(proc, self.path.as_str());
        }
        retry_on_intr(|| openat(proc, self.path.as_str(), access | OFlags::CLOEXEC, Mode::empty()))
    }

    fn trouble(
        &self,
        id: u32,
        name: &str,
        error: Errno,
        moment: &mut Moment<'_>,
        as_notice: fn(PathBuf, Errno) -> Notice,
    ) {
        // ESRCH: it is ending, and has no memory any more; so a thread of the kernel.
        let has_ended = matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::SRCH);
        if !has_ended && moment.said.first((name, error.raw_os_error())) {
            moment.notices.push(as_notice(self.root.join(id.to_string()).join(name), error));
        }
    }

    /// Says once that a file of a process cannot be understood.
    pub(crate) fn malformed(&self, id: u32, name: &str, found: String, moment: &mut Moment<'_>) {
        if moment.said.first(("malformed", name)) {
            moment.notices.push(Notice::Malformed { path: self.root.join(id.to_string()).join(name), found });
        }
    }
}

fn unreadable(path: PathBuf, error: Errno) -> Notice {
    match error {
        Errno::ACCESS | Errno::PERM => Notice::Denied { path },
        error => Notice::Unreadable { path, error: error.to_string() },
    }
}

/// The cgroups whose processes are those of a task, with all cgroups below them: those of the containers of a pod, else its
/// own. Where the cgroup of another task lies below one of these, its processes are listed for both tasks. A path that is
/// none has been told of.
pub(crate) fn cgroups_of(task: &TaskCgroups) -> Vec<String> {
    let paths = if task.containers.is_empty() { std::slice::from_ref(&task.cgroup) } else { &task.containers };
    topmost(paths.iter().filter_map(|path| relative_cgroup_path(path).ok()))
}
