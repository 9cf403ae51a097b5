//! Files of cgroups that need no reading for a while: the kernel tells by inotify(7) when somebody wrote one, by the time that
//! write(2) returns, and counts for the whole machine what some of them count for a cgroup.

use std::cell::Cell;
use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::rc::Rc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::Roots;
use crate::cgroup::watch::most_watches;
use crate::machine::file::MachineFile;
use crate::text::number_of;

/// Readings for which a file stands at least and at most without being looked at, should the kernel have told nothing.
const STANDS: (u32, u32) = (32, 64);

/// The files that are watched.
pub(crate) struct Settings {
    /// None where this process may have no more inotify instances: then everything is read.
    inotify: Option<Rc<Inotify>>,
    /// How many there may be.
    budget: usize,
    /// The watches of those that were written since the last time.
    written: HashSet<i32>,
    /// More happened than was told: any may have been written.
    is_any_written: bool,
    kills: Kills,
}

/// Processes of the machine that the kernel has killed for want of memory (oom_kill of /proc/vmstat, since Linux 4.13).
struct Kills {
    vmstat: MachineFile,
    buffer: Vec<u8>,
    count: Option<u64>,
    /// Readings for which files that count them are read: after a kill twice, since the machine's count goes up first.
    unsettled: u32,
}

struct Inotify {
    descriptor: OwnedFd,
    count: Cell<usize>,
}

/// What the kernel was asked to tell of one file; no more once this is dropped.
pub(crate) struct Watch {
    inotify: Rc<Inotify>,
    number: i32,
}

/// What tells that a file does not say the same any more.
pub(crate) enum By {
    /// A watch.
    Watch(Watch),
    /// That the kernel has killed somewhere.
    Kill,
}

/// What a file said that stands.
pub(crate) struct Standing {
    by: By,
    text: Box<[u8]>,
    /// For how many readings more, should nothing be told.
    left: u32,
}

/// What a file that is going to be read is watched by.
pub(crate) enum Until {
    /// The watch by which it stood before.
    Before(Standing),
    /// What was begun for this reading.
    New(By),
}

impl Until {
    /// It stands at what was read.
    pub(crate) fn stands(self, text: &[u8]) -> Standing {
        match self {
            Self::Before(standing) => standing.renewed(text),
            Self::New(by) => Standing { left: by.readings(), by, text: text.into() },
        }
    }
}

impl Settings {
    pub(crate) fn new(roots: &Roots) -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        let inotify = inotify.map(|descriptor| Rc::new(Inotify { descriptor, count: Cell::new(0) }));
        // The walk through the hierarchies takes half of the limit, and others of this user live on it too.
        let budget = most_watches() / 4;
        let vmstat = MachineFile::new(roots.path("/proc/vmstat"));
        let mut kills = Kills { vmstat, buffer: vec![0; 8_192], count: None, unsettled: 0 };
        kills.count();
        kills.unsettled = 1;
        Self { inotify, budget, written: HashSet::new(), is_any_written: false, kills }
    }

    /// Hears what was written since the last time. Whoever reads files that stand does so after this.
    pub(crate) fn listen(&mut self) {
        self.kills.count();
        self.written.clear();
        self.is_any_written = false;
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(&inotify.descriptor, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => self.is_any_written = true,
                Ok(event) => _ = self.written.insert(event.wd()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.is_any_written = true;
                    return;
                }
            }
        }
    }

    /// Watches an open file from now on; none where that cannot be, or it is watched for somebody else already.
    pub(crate) fn watch(&self, file: impl AsFd) -> Option<Watch> {
        let inotify = self.inotify.as_ref().filter(|inotify| inotify.count.get() < self.budget)?;
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let flags = WatchFlags::MODIFY | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::MASK_CREATE;
        let number = inotify::add_watch(&inotify.descriptor, path, flags).ok()?;
        inotify.count.set(inotify.count.get() + 1);
        Some(Watch { inotify: Rc::clone(inotify), number })
    }

    /// Whether nothing was killed since the last reading.
    pub(crate) fn is_without_kills(&self) -> bool {
        self.kills.unsettled == 0
    }

    fn stands(&self, by: &By) -> bool {
        match by {
            By::Watch(watch) => !self.is_any_written && !self.written.contains(&watch.number),
            By::Kill => self.is_without_kills(),
        }
    }
}

impl Kills {
    fn count(&mut self) {
        let read = self.vmstat.read(&mut self.buffer).ok();
        let count = read.and_then(|count| number_of(&self.buffer[..count], b"oom_kill"));
        self.unsettled = if count.is_some() && count == self.count { self.unsettled.saturating_sub(1) } else { 2 };
        self.count = count;
    }
}

impl By {
    /// For how many readings the file stands: not all are looked at in the same tick.
    fn readings(&self) -> u32 {
        match self {
            Self::Watch(watch) => STANDS.0 + watch.number.unsigned_abs() % (STANDS.1 - STANDS.0),
            Self::Kill => STANDS.1,
        }
    }
}

impl Standing {
    /// What the file says; none where it is to be read again. Counts the reading.
    pub(crate) fn text(&mut self, settings: &Settings) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        settings.stands(&self.by).then_some(&self.text)
    }

    /// Itself, for another reading; none where the file may be another one now.
    pub(crate) fn unwritten(self, settings: &Settings) -> Option<Self> {
        settings.stands(&self.by).then_some(self)
    }

    /// It stands at what was read now, for another while.
    fn renewed(mut self, text: &[u8]) -> Self {
        self.left = self.by.readings();
        if *self.text != *text {
            self.text = text.into();
        }
        self
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inotify.count.set(self.inotify.count.get() - 1);
        // The file may have gone, and the watch with it.
        let _ = inotify::remove_watch(&self.inotify.descriptor, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    fn standing(settings: &Settings, path: &Path) -> Option<Standing> {
        settings.watch(File::open(path).unwrap()).map(|watch| Until::New(By::Watch(watch)).stands(b"7"))
    }

    #[test]
    fn what_nobody_wrote_stands_and_no_longer_than_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other, gone] = ["one", "other", "gone"].map(|name| folder.path().join(name));
        for path in [&one, &other, &gone] {
            std::fs::write(path, "7").unwrap();
        }
        let mut settings = Settings::new(&Roots::system());
        let mut all = [&one, &other, &gone].map(|path| standing(&settings, path).unwrap());
        let mut values =
            |settings: &Settings| all.each_mut().map(|standing| standing.text(settings).map(<[u8]>::to_vec));
        settings.listen();
        assert_eq!(values(&settings), [Some(b"7".to_vec()), Some(b"7".to_vec()), Some(b"7".to_vec())]);
        std::fs::write(&other, "8").unwrap();
        std::fs::remove_file(&gone).unwrap();
        settings.listen();
        assert_eq!(values(&settings), [Some(b"7".to_vec()), None, None]);
        let mut looks = 2;
        settings.listen();
        while all[0].text(&settings).is_some() {
            looks += 1;
        }
        assert!((STANDS.0..=STANDS.1).contains(&looks), "{looks}");
    }

    #[test]
    fn a_file_is_watched_for_one_alone_and_for_nobody_in_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut settings = Settings::new(&Roots::system());
        let first = standing(&settings, file.path());
        assert!(first.is_some() && standing(&settings, file.path()).is_none());
        drop(first);
        let again = standing(&settings, file.path());
        assert!(again.is_some());
        assert_eq!(settings.inotify.as_ref().unwrap().count.get(), 1);
        settings.budget = 1;
        let other = tempfile::NamedTempFile::new().unwrap();
        assert!(standing(&settings, other.path()).is_none(), "there is no room");
    }

    #[test]
    fn where_more_happened_than_is_told_any_may_have_been_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut settings = Settings::new(&Roots::system());
        let mut first = standing(&settings, file.path()).unwrap();
        settings.is_any_written = true;
        assert_eq!(first.text(&settings), None);
        settings.listen();
        assert_eq!(first.text(&settings), Some(&b"7"[..]));
    }

    #[test]
    fn what_counts_kills_stands_until_the_machine_has_counted_one_and_twice_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let vmstat = folder.path().join("proc/vmstat");
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        let mut settings = Settings::new(&Roots::at(folder.path()));
        let mut found = Vec::new();
        for text in ["", "oom_kill 1\n", "oom_kill 1\n", "oom_kill 1\n", "oom_kill 1\n", "oom_kill 2\n", "oom_kill 2\n"]
        {
            std::fs::write(&vmstat, text).unwrap();
            settings.listen();
            found.push(settings.is_without_kills());
        }
        std::fs::write(&vmstat, "").unwrap();
        settings.listen();
        found.push(settings.is_without_kills());
        assert_eq!(found, [false, false, false, true, true, false, false, false]);
    }
}
