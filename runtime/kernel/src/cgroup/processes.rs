//! Which processes or threads are in a cgroup and in those below it.
//!
//! Sources: `cgroup.procs`, `cgroup.threads` and `tasks` of Documentation/admin-guide/cgroup-v2.rst and
//! Documentation/admin-guide/cgroup-v1/cgroups.rst.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, open, openat, statat};
use rustix::io::Errno;

use crate::KernelError;
use crate::cgroup::walk::may_be_directory;
use crate::cgroup::{Hierarchies, Limits, Version};
use crate::error::excerpt;
use crate::files::{open_below, reread_parts};
use crate::text::{lines, number};

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Processes, each by its process id.
    #[cfg_attr(not(test), allow(dead_code, reason = "for families that read files of processes"))]
    Processes,
    /// Threads, each by its thread id; that of the first thread of a process is the process id.
    Threads,
}

/// Lists the processes or threads of cgroups.
///
/// Files are opened for each reading: of a v1 file that stays open the kernel gives the list that it made up to a second ago
/// (cgroup_pidlist_start of kernel/cgroup/cgroup-v1.c).
pub(crate) struct Processes {
    /// The hierarchies in the order in which they are asked: v2 first, then those of controllers that every container
    /// runtime uses.
    hierarchies: Vec<Place>,
    limits: Limits,
    /// Reused: cgroups that are still to be looked at, and how deep they lie below the first.
    queue: Vec<(String, usize)>,
    /// Reused for the path of a file.
    path: String,
}

/// A hierarchy.
struct Place {
    version: Version,
    /// None where it could not be opened.
    dir: Option<OwnedFd>,
    path: PathBuf,
}

impl Processes {
    /// A reader of all hierarchies.
    pub(crate) fn new(hierarchies: &Hierarchies) -> Self {
        let mut sorted: Vec<_> = hierarchies.all().iter().collect();
        sorted.sort_by_key(|one| match one.version {
            Version::V2 => 0,
            Version::V1 if one.has("cpu") => 1,
            Version::V1 if one.has("memory") => 2,
            Version::V1 => 3,
        });
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let place = |one: &crate::Hierarchy| Place {
            version: one.version,
            dir: open(&one.dir, flags, Mode::empty()).ok(),
            path: one.dir.clone(),
        };
        Self {
            hierarchies: sorted.into_iter().map(place).collect(),
            limits: Limits::default(),
            queue: Vec::new(),
            path: String::new(),
        }
    }

    /// Adds to `ids` those of a cgroup (a path below the mount points without a leading slash) and of all cgroups below it.
    /// In no order; one that moves while it is looked for may stand there twice.
    ///
    /// The first hierarchy is asked that has a process there: on v1 the others have the same, and the unified hierarchy
    /// beside v1 ones often has the directories and nothing in them. A cgroup that is not there, or goes meanwhile, has
    /// none. Ids of a process that this process cannot see (a pid namespace) are left out.
    ///
    /// # Errors
    /// [`KernelError::Read`] and [`KernelError::Malformed`] with the first file that cannot be read or understood; what
    /// was found before is in `ids`.
    pub(crate) fn read(
        &mut self,
        cgroup: &str,
        listed: Listed,
        buffer: &mut Vec<u8>,
        ids: &mut Vec<u32>,
    ) -> Result<(), KernelError> {
        let before = ids.len();
        for at in 0..self.hierarchies.len() {
            self.read_in(at, cgroup, listed, buffer, ids)?;
            if ids.len() > before {
                break;
            }
        }
        Ok(())
    }

    fn read_in(
        &mut self,
        at: usize,
        cgroup: &str,
        listed: Listed,
        buffer: &mut Vec<u8>,
        ids: &mut Vec<u32>,
    ) -> Result<(), KernelError> {
        let Self { hierarchies, limits, queue, path, .. } = self;
        let Place { version, dir: Some(root), path: mount } = &hierarchies[at] else { return Ok(()) };
        let failed = |path: &str, error: Errno| KernelError::Read { path: mount.join(path), source: error.into() };
        let name = match (listed, version) {
            (Listed::Processes, _) => "cgroup.procs",
            (Listed::Threads, Version::V1) => "tasks",
            (Listed::Threads, Version::V2) => "cgroup.threads",
        };
        queue.clear();
        // The usual cgroup has none below it, and then nothing is put into the queue and nothing allocated.
        let mut next = Some((None::<String>, 0));
        let mut visited = 0;
        while let Some((below, depth)) = next {
            let current = below.as_deref().unwrap_or(cgroup);
            path.clear();
            path.push_str(current);
            path.push('/');
            path.push_str(name);
            match open_below(root, path.as_str()).and_then(|file| reread_parts(&file, buffer)) {
                Ok(count) => take(&buffer[..count], ids).ok_or_else(|| KernelError::Malformed {
                    path: mount.join(path.as_str()),
                    expected: "a number in each line",
                    found: excerpt(&buffer[..count]),
                })?,
                // The processes of a threaded cgroup are those of the cgroup above that began it (cgroup-v2.rst, Threads).
                Err(Errno::OPNOTSUPP) => {}
                Err(Errno::NOENT | Errno::NOTDIR | Errno::NODEV) => {
                    next = queue.pop().map(|(path, depth)| (Some(path), depth));
                    continue;
                }
                Err(error) => return Err(failed(path, error)),
            }
            visited += 1;
            if depth < limits.depth && visited < limits.visited {
                list(root, current, depth + 1, queue).map_err(|error| failed(current, error))?;
            }
            next = queue.pop().map(|(path, depth)| (Some(path), depth));
        }
        Ok(())
    }
}

/// Adds the numbers of a file, one in each line; none where it has another form.
fn take(bytes: &[u8], ids: &mut Vec<u32>) -> Option<()> {
    for line in lines(bytes).filter(|line| !line.is_empty()) {
        let id = u32::try_from(number(line)?).ok()?;
        // 0: in a pid namespace of which this process sees nothing.
        if id != 0 {
            ids.push(id);
        }
    }
    Some(())
}

/// Puts the cgroups directly below one into the queue. What goes meanwhile is none.
fn list(root: &OwnedFd, above: &str, depth: usize, queue: &mut Vec<(String, usize)>) -> Result<(), Errno> {
    let name = if above.is_empty() { "." } else { above };
    let Some(found) = unless_gone(statat(root, name, AtFlags::SYMLINK_NOFOLLOW))? else { return Ok(()) };
    // A directory counts one link for each directory in it besides two of its own; see the walk.
    if found.st_nlink == 2 {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(dir) = unless_gone(openat(root, name, flags, Mode::empty()))? else { return Ok(()) };
    let mut space = [MaybeUninit::uninit(); 8_192];
    let mut entries = RawDir::new(dir.as_fd(), &mut space);
    while let Some(entry) = entries.next() {
        let Some(entry) = unless_gone(entry)? else { return Ok(()) };
        if !may_be_directory(&entry) {
            continue;
        }
        // A name that is no UTF-8 is none of a task's, and what is no directory has no file below it.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if entry.file_type() == FileType::Unknown
            && !statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
        {
            continue;
        }
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        queue.push((path, depth));
    }
    Ok(())
}

fn unless_gone<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sorts numbers and takes out those that stand there twice.
pub(crate) fn sort_once(ids: &mut Vec<u32>) {
    ids.sort_unstable();
    ids.dedup();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Command};

    use rstest::rstest;

    use super::*;
    use crate::skipped::skipped;
    use crate::{Roots, Scratch};

    const MOUNTS: &str = "30 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                          31 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                          32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "proc/self/mountinfo", MOUNTS);
        for hierarchy in ["cpu", "memory", "unified"] {
            fs::create_dir_all(dir.path().join("sys/fs/cgroup").join(hierarchy)).unwrap();
        }
        for (path, text) in files {
            write(dir.path(), &format!("sys/fs/cgroup/{path}"), text);
        }
        dir
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn hierarchies(dir: &tempfile::TempDir) -> Hierarchies {
        Hierarchies::find(&Roots::at(dir.path())).unwrap()
    }

    fn ids_of(hierarchies: &Hierarchies, cgroup: &str, listed: Listed) -> Result<Vec<u32>, KernelError> {
        let mut ids = Vec::new();
        Processes::new(hierarchies).read(cgroup, listed, &mut Vec::new(), &mut ids)?;
        sort_once(&mut ids);
        Ok(ids)
    }

    #[rstest]
    #[case::of_v2(&[("unified/a/cgroup.procs", "7\n9\n"), ("unified/a/cgroup.threads", "7\n8\n9\n")], &[7, 9], &[7, 8, 9])]
    #[case::of_v1(&[("cpu/a/cgroup.procs", "9\n7\n"), ("cpu/a/tasks", "7\n8\n9\n")], &[7, 9], &[7, 8, 9])]
    #[case::where_v2_has_the_directory_alone(
        &[("unified/a/cgroup.procs", ""), ("unified/a/cgroup.threads", ""), ("cpu/a/cgroup.procs", "7\n"), ("cpu/a/tasks", "7\n")],
        &[7], &[7],
    )]
    #[case::of_the_controller_that_runtimes_use(
        &[("memory/a/cgroup.procs", "1\n"), ("memory/a/tasks", "1\n"), ("cpu/a/cgroup.procs", "7\n"), ("cpu/a/tasks", "7\n")],
        &[7], &[7],
    )]
    #[case::below_it(
        &[("unified/a/cgroup.procs", ""), ("unified/a/cgroup.threads", ""),
          ("unified/a/b/cgroup.procs", "7\n"), ("unified/a/b/cgroup.threads", "7\n"),
          ("unified/a/c/d/cgroup.procs", "9\n"), ("unified/a/c/d/cgroup.threads", "9\n"),
          ("unified/a/c/cgroup.procs", "0\n5\n"), ("unified/a/c/cgroup.threads", "0\n5\n6\n"),
          ("unified/other/cgroup.procs", "4\n"), ("unified/other/cgroup.threads", "4\n")],
        &[5, 7, 9], &[5, 6, 7, 9],
    )]
    #[case::missing(&[], &[], &[])]
    fn the_ids_of_a_cgroup(#[case] files: &[(&str, &str)], #[case] processes: &[u32], #[case] threads: &[u32]) {
        let dir = machine(files);
        let all = hierarchies(&dir);
        assert_eq!(ids_of(&all, "a", Listed::Processes).unwrap(), processes);
        assert_eq!(ids_of(&all, "a", Listed::Threads).unwrap(), threads);
    }

    #[test]
    fn ids_stand_behind_what_was_there() {
        let dir = machine(&[("cpu/a/tasks", "1\n"), ("cpu/a/b/tasks", "2\n")]);
        let mut ids = vec![9];
        let mut processes = Processes::new(&hierarchies(&dir));
        processes.read("a", Listed::Threads, &mut Vec::new(), &mut ids).unwrap();
        assert_eq!(ids, [9, 1, 2]);
    }

    #[rstest]
    #[case("7\nx\n")]
    #[case("-1\n")]
    #[case("99999999999\n")]
    fn a_malformed_file_is_told(#[case] text: &str) {
        let dir = machine(&[("cpu/a/tasks", text)]);
        let error = ids_of(&hierarchies(&dir), "a", Listed::Threads).unwrap_err();
        let path = dir.path().join("sys/fs/cgroup/cpu/a/tasks");
        assert!(error.to_string().starts_with(&format!("{}: expected a number", path.display())), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let dir = machine(&[("cpu/a/cgroup.procs/x", "")]);
        let error = ids_of(&hierarchies(&dir), "a", Listed::Processes).unwrap_err();
        assert!(error.to_string().contains("a/cgroup.procs: Is a directory"), "{error}");
    }

    #[test]
    fn what_vanishes_is_empty() {
        let dir = machine(&[("cpu/a/tasks", "7\n")]);
        let all = hierarchies(&dir);
        let mut processes = Processes::new(&all);
        for expected in [vec![7], vec![]] {
            let mut ids = Vec::new();
            processes.read("a", Listed::Threads, &mut Vec::new(), &mut ids).unwrap();
            assert_eq!(ids, expected);
            if !ids.is_empty() {
                fs::remove_dir_all(dir.path().join("sys/fs/cgroup/cpu/a")).unwrap();
            }
        }
    }

    /// A process with a thread beside its first one would take a program of its own; a shell has one thread.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn processes_of_a_real_cgroup_and_of_one_below_it() {
        let hierarchies = Hierarchies::find(&Roots::system()).unwrap();
        let name = format!("wca-test-{}-processes", std::process::id());
        let made = Scratch::create(&hierarchies, &format!("{name}/one"))
            .and_then(|one| Ok((one, Scratch::create(&hierarchies, &format!("{name}/two"))?)));
        let (one, two) = match made {
            Ok(made) => made,
            Err(error) => return skipped(&error.to_string()),
        };
        let sleepers = [&one, &two, &two].map(|cgroup| {
            let sleeper = Sleeper(Command::new("sleep").arg("1000").spawn().unwrap());
            cgroup.add_process(sleeper.0.id()).unwrap();
            sleeper
        });
        let mut expected = sleepers.each_ref().map(|sleeper| sleeper.0.id());
        expected.sort_unstable();
        assert_eq!(ids_of(&hierarchies, &name, Listed::Processes).unwrap(), expected);
        assert_eq!(ids_of(&hierarchies, &name, Listed::Threads).unwrap(), expected);
        let [first, ..] = sleepers;
        assert_eq!(ids_of(&hierarchies, &format!("{name}/one"), Listed::Processes).unwrap(), [first.0.id()]);
        drop(first);
        // A process that has ended leaves its cgroup a moment later.
        for _ in 0..100 {
            if ids_of(&hierarchies, &name, Listed::Processes).unwrap().len() == 2 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(ids_of(&hierarchies, &name, Listed::Processes).unwrap().len(), 2);
    }
}
