//! What an operator should hear once, and what went on without it.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// Something could not be read, and the rest went on. A sentence by `Display`, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A metric has no source on this machine.
    NotMeasured {
        /// Name of the metric.
        metric: &'static str,
        /// What is missing.
        reason: String,
    },
    /// Something that the machine has is not known of, since a file about it could not be read or understood.
    NotKnown {
        /// What it is.
        what: &'static str,
        /// Which file, and what is wrong with it.
        reason: String,
    },
    /// This user may not read a file or a directory; what stands below it is left out too.
    Denied {
        /// The file or directory.
        path: PathBuf,
    },
    /// A file could not be read for another reason than its absence.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: String,
    },
    /// A file could not be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: String,
    },
    /// A file says something that this program does not understand.
    Malformed {
        /// The file.
        path: PathBuf,
        /// The beginning of what stands there.
        found: String,
    },
    /// A cgroup is left out because its name cannot be a label.
    NameSkipped {
        /// Its directory.
        path: PathBuf,
    },
    /// A task names a cgroup by something that is no path of one.
    BadPath {
        /// What the task says.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Cgroups below this one are left out.
    TooDeep {
        /// The deepest directory that was looked into.
        path: PathBuf,
        /// How many levels are looked at.
        limit: usize,
    },
    /// A hierarchy has more cgroups than are looked at.
    TooManyCgroups {
        /// Its mount point.
        path: PathBuf,
        /// How many are looked at.
        limit: usize,
    },
    /// There are more populated cgroups than tasks are allowed for.
    TooManyTasks {
        /// How many are taken.
        limit: usize,
    },
    /// Only a part of a hierarchy is mounted here.
    PartOfHierarchy {
        /// The mount point.
        path: PathBuf,
        /// What is mounted there.
        root: PathBuf,
    },
    /// Files do not all fit under the limit on open files, so some are opened anew for each reading.
    DescriptorsShort {
        /// How many stay open.
        kept: usize,
    },
    /// Not all directories of cgroups can be watched for changes, so some hierarchies are walked at each tick.
    WatchesShort {
        /// How many are watched.
        kept: usize,
    },
    /// Cache occupancy and memory bandwidth of some tasks are not measured.
    NotMonitored {
        /// Their cgroups, or the first of them.
        cgroups: Vec<String>,
        /// How many there are besides.
        more: usize,
        /// Why, and what to do.
        reason: String,
    },
    /// Something cannot be counted.
    NotCounted {
        /// An event, or whatever it is.
        what: String,
        /// Why not.
        reason: String,
        /// What can be done about it.
        remedy: String,
    },
    /// Counters of all tasks would take more descriptors than they may have.
    TasksNotCounted {
        /// How many tasks are counted.
        counted: usize,
        /// How many are not.
        left_out: usize,
        /// How many descriptors counters may take.
        descriptors: usize,
    },
    /// The process has run out of descriptors while it opened counters.
    CountersShort {
        /// How many tasks are counted.
        counted: usize,
    },
    /// More was to say than is ever said.
    MoreToSay {
        /// How many notices there were before.
        limit: usize,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMeasured { metric, reason } => write!(f, "{metric} is not measured here: {reason}"),
            Self::NotKnown { what, reason } => write!(f, "{what} is left out: {reason}"),
            Self::Denied { path } => write!(f, "this user may not read {path:?}"),
            Self::Unreadable { path, error } => write!(f, "cannot read {path:?}: {error}"),
            Self::Unwritable { path, error } => write!(f, "cannot write {path:?}: {error}"),
            Self::Malformed { path, found } => write!(f, "{path:?} cannot be understood: {found:?}"),
            Self::NameSkipped { path } => {
                write!(f, "the cgroup {path:?} is left out: its name is not printable UTF-8")
            }
            Self::BadPath { path, reason } => write!(f, "{path:?} is no path of a cgroup: {reason}"),
            Self::TooDeep { path, limit } => {
                write!(f, "cgroups below {path:?} are left out: more than {limit} levels deep")
            }
            Self::TooManyCgroups { path, limit } => {
                write!(f, "{path:?} has more than {limit} cgroups: the others are left out")
            }
            Self::TooManyTasks { limit } => {
                write!(f, "more than {limit} cgroups hold processes: the others are left out")
            }
            Self::PartOfHierarchy { path, root } => {
                write!(f, "{path:?} shows only {root:?} of its cgroup hierarchy: paths of tasks start there")
            }
            Self::DescriptorsShort { kept } => write!(
                f,
                "only {kept} files of cgroups stay open; the others are opened anew each time, which costs more: \
                 raise the limit on open files (ulimit -n, LimitNOFILE)"
            ),
            Self::WatchesShort { kept } => write!(
                f,
                "only {kept} directories of cgroups are watched; the hierarchies of the others are walked at each tick, \
                 which costs more: raise fs.inotify.max_user_watches or fs.inotify.max_user_instances"
            ),
            Self::NotMonitored { cgroups, more, reason } => {
                f.write_str("cache occupancy and memory bandwidth are not measured of ")?;
                for (at, cgroup) in cgroups.iter().enumerate() {
                    write!(f, "{}{cgroup:?}", if at == 0 { "" } else { ", " })?;
                }
                if *more > 0 {
                    write!(f, " and {more} others")?;
                }
                write!(f, ": {reason}")
            }
            Self::NotCounted { what, reason, remedy } => write!(f, "{what}: not counted: {reason}; remedy: {remedy}"),
            Self::TasksNotCounted { counted, left_out, descriptors } => write!(
                f,
                "events of {left_out} tasks are not counted: counters may take {descriptors} descriptors, which is enough for \
                 {counted} tasks; remedy: raise perf_fd_budget or the limit on open files, or count fewer events"
            ),
            Self::CountersShort { counted } => write!(
                f,
                "only {counted} tasks are counted, for want of descriptors; remedy: raise the limit on open files (ulimit -n, \
                 LimitNOFILE), or lower perf_fd_budget so that the tasks that are left out are the same ones each time"
            ),
            Self::MoreToSay { limit } => write!(f, "after {limit} different notices, no more are said"),
        }
    }
}

/// Remembers what has been said. Bounded, since names of cgroups stand in notices and tasks choose them.
#[derive(Debug, Default)]
pub struct Said {
    seen: HashSet<u64>,
    full: bool,
}

/// How many different things are said before silence.
const LIMIT: usize = 1_000;

impl Said {
    /// Those of `notices` that have not been said before.
    #[must_use]
    pub fn news(&mut self, mut notices: Vec<Notice>) -> Vec<Notice> {
        notices.retain(|notice| self.first(notice));
        self.end(&mut notices);
        notices
    }

    /// Adds to what is said at a time that no more will be, if it is so: once.
    pub(crate) fn end(&mut self, notices: &mut Vec<Notice>) {
        if self.full_now() {
            notices.push(Notice::MoreToSay { limit: LIMIT });
        }
    }

    /// Whether `key` is asked for the first time, and there is still room to remember it.
    pub(crate) fn first(&mut self, key: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish();
        self.seen.len() < LIMIT && self.seen.insert(hash)
    }

    /// True once, when the last notice has been said.
    fn full_now(&mut self) -> bool {
        let now = self.seen.len() >= LIMIT && !self.full;
        self.full |= now;
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(name: &str) -> Notice {
        Notice::Denied { path: name.into() }
    }

    #[test]
    fn a_notice_is_said_once() {
        let mut said = Said::default();
        assert_eq!(said.news(vec![denied("/a"), denied("/b"), denied("/a")]), [denied("/a"), denied("/b")]);
        assert_eq!(said.news(vec![denied("/b"), denied("/c")]), [denied("/c")]);
        assert!(said.news(vec![denied("/c")]).is_empty());
    }

    #[test]
    fn what_tasks_can_make_us_say_ends() {
        let mut said = Said::default();
        let flood = |from: usize| (from..from + 2_000).map(|n| denied(&n.to_string())).collect::<Vec<_>>();
        let first = said.news(flood(0));
        assert_eq!(first.len(), LIMIT + 1);
        assert_eq!(first.last(), Some(&Notice::MoreToSay { limit: LIMIT }));
        assert!(said.news(flood(5_000)).is_empty());
    }

    #[test]
    fn names_are_escaped() {
        let notice = Notice::NameSkipped { path: "/a\u{1b}[31m\n".into() };
        assert!(!notice.to_string().contains(['\n', '\u{1b}']), "{notice}");
    }
}
