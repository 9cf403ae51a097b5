//! What opening the files of cgroups takes, and what is to be said of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::cgroup::Hierarchies;
use crate::cgroup::files::Slot;
use crate::cgroup::plan::{PlannedFile, Stands};
use crate::cgroup::settings::{By, Settings, Standing, Until};
use crate::cgroup::taken::Taken;
use crate::cgroup::turns::Turns;
use crate::error::excerpt;
use crate::files::open_below;
use crate::{Notice, Roots, Said};

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
    /// What is only read where somebody wrote it.
    pub settings: Settings,
    /// When files of tasks that do nothing are read all the same.
    pub turns: Turns,
    /// How many files have been read so far.
    pub read: u64,
    /// Reused for what is taken out of a file.
    pub taken: Taken,
    /// Things that files have a number for and that have no column yet, with the number of the part.
    pub learned: Vec<(usize, String)>,
}

impl Opener {
    pub(crate) fn new(roots: &Roots, hierarchies: &Hierarchies, budget: usize, idle: Duration) -> Self {
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
            settings: Settings::new(roots),
            turns: Turns::new(idle),
            read: 0,
            taken: Taken::default(),
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
        self.open_beside(cgroup, file, file.name)
    }

    /// Opens the file of that name beside one of a cgroup.
    fn open_beside(&mut self, cgroup: &str, file: &PlannedFile, name: &str) -> Result<OwnedFd, Errno> {
        let dir = self.dirs[file.hierarchy].as_ref().ok_or(Errno::NOENT)?;
        self.path.clear();
        if !cgroup.is_empty() {
            self.path.push_str(cgroup);
            self.path.push('/');
        }
        self.path.push_str(name);
        open_below(dir, self.path.as_str())
    }

    /// What tells how long the file stands, which is open and is going to be read: what it was `before`, or something new;
    /// none where it does not stand.
    pub(crate) fn until(
        &mut self,
        cgroup: &str,
        file: &PlannedFile,
        open: impl AsFd,
        before: Option<Standing>,
    ) -> Option<Until> {
        let watch = |settings: &Settings, before: Option<Standing>, open: BorrowedFd<'_>| match before {
            Some(standing) => Some(Until::Before(standing)),
            None => settings.watch(open).map(|watch| Until::New(By::Watch(watch))),
        };
        match file.stands? {
            Stands::UntilTold => watch(&self.settings, before, open.as_fd()),
            Stands::WithoutKills => {
                self.settings.is_without_kills().then(|| before.map_or(Until::New(By::Kill), Until::Before))
            }
            Stands::While { file: other, begins } => {
                let other = self.open_beside(cgroup, file, other).ok()?;
                let until = watch(&self.settings, before, other.as_fd())?;
                let mut beginning = [0; 16];
                let count = retry_on_intr(|| pread(&other, &mut beginning, 0)).ok()?;
                beginning[..count].starts_with(begins).then_some(until)
            }
        }
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
