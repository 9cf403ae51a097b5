//! What opening the files of cgroups takes, and what is to be said of it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::cgroup::Hierarchies;
use crate::cgroup::files::Slot;
use crate::cgroup::plan::PlannedFile;
use crate::error::excerpt;
use crate::files::open_below;
use crate::{Notice, Said};

/// What opening files takes, shared by all cgroups.
pub(crate) struct Opener {
    /// Directories of the hierarchies; none where one could not be opened.
    dirs: Vec<Option<OwnedFd>>,
    paths: Vec<PathBuf>,
    /// How many files may stay open.
    pub budget: usize,
    /// How many do.
    pub open: usize,
    serial: u64,
    /// Reused for the path of a file below its hierarchy.
    path: String,
    /// True when the process ran out of descriptors in the midst: some must be closed.
    pub starved: bool,
    /// What has been said already.
    pub said: Said,
    /// What is to be said next.
    pub notices: Vec<Notice>,
    /// Things that files have a number for and that have no column yet, with the number of the part.
    pub learned: Vec<(usize, String)>,
}

impl Opener {
    pub(crate) fn new(hierarchies: &Hierarchies, budget: usize) -> Self {
        let mut opener = Self {
            dirs: Vec::new(),
            paths: Vec::new(),
            budget,
            open: 0,
            serial: 0,
            path: String::new(),
            starved: false,
            said: Said::default(),
            notices: Vec::new(),
            learned: Vec::new(),
        };
        for hierarchy in hierarchies.all() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = open(&hierarchy.dir, flags, Mode::empty()).map_err(|error| {
                let path = hierarchy.dir.clone();
                opener.notices.push(Notice::Unreadable { path, error: error.to_string() });
            });
            opener.dirs.push(dir.ok());
            opener.paths.push(hierarchy.dir.clone());
        }
        opener
    }

    /// Opens a file of a cgroup.
    pub(crate) fn open(&mut self, cgroup: &str, file: &PlannedFile) -> Result<OwnedFd, Errno> {
        let dir = self.dirs[file.hierarchy].as_ref().ok_or(Errno::NOENT)?;
        self.path.clear();
        if !cgroup.is_empty() {
            self.path.push_str(cgroup);
            self.path.push('/');
        }
        self.path.push_str(file.name);
        open_below(dir, self.path.as_str())
    }

    /// A slot for a file that was just opened, open if there is room for it.
    pub(crate) fn keep(&mut self, file: OwnedFd) -> Slot {
        if self.open >= self.budget {
            self.say_short();
            return Slot::Parked;
        }
        self.open += 1;
        self.serial += 1;
        Slot::Open(file, self.serial)
    }

    /// Tells that there is no room for more open files.
    pub(crate) fn say_short(&mut self) {
        if self.said.first("descriptors") {
            self.notices.push(Notice::DescriptorsShort { kept: self.open });
        }
    }

    /// Where a file of a cgroup is.
    pub(crate) fn path_of(&self, cgroup: &str, file: &PlannedFile) -> PathBuf {
        self.paths[file.hierarchy].join(cgroup).join(file.name)
    }

    /// Tells of a file that should be readable and is not: once for each file name, whatever the number of cgroups.
    pub(crate) fn trouble(&mut self, cgroup: &str, file: &PlannedFile, error: Errno) {
        if self.said.first((file.hierarchy, file.name, error.raw_os_error())) {
            let path = self.path_of(cgroup, file);
            self.notices.push(match error {
                Errno::ACCESS | Errno::PERM => Notice::Denied { path },
                error => Notice::Unreadable { path, error: error.to_string() },
            });
        }
    }

    /// Tells of a file that cannot be understood: once for each file name, however many metrics are in it.
    pub(crate) fn malformed(&mut self, cgroup: &str, file: &PlannedFile, bytes: &[u8]) {
        if self.said.first(("malformed", file.hierarchy, file.name)) {
            let path = self.path_of(cgroup, file);
            self.notices.push(Notice::Malformed { path, found: excerpt(bytes) });
        }
    }
}
