//! What is mounted where.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::error::excerpt;
use crate::files::read_file;
use crate::text::{lines, number, without_octal, words};
use crate::{KernelError, Roots};

/// One mount that this process sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Major and minor number of the file system. All mounts of one hierarchy share them.
    pub device: (u32, u32),
    /// What of the file system is mounted, `/` for all.
    pub root: PathBuf,
    /// Where, as the process sees it.
    pub point: PathBuf,
    /// Type of the file system.
    pub kind: String,
    /// Options of the file system, among them the controllers of a cgroup v1 hierarchy.
    pub options: Vec<String>,
}

impl Mount {
    /// Whether an option is set.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|one| one == option)
    }
}

/// The mounts of the given types, in the order of /proc/self/mountinfo (proc_pid_mountinfo(5)).
pub(crate) fn mounts(roots: &Roots, kinds: &[&str]) -> Result<Vec<Mount>, KernelError> {
    let path = roots.path("/proc/self/mountinfo");
    let bytes = read_file(&path)?;
    let mut mounts = Vec::new();
    for line in lines(&bytes).filter(|line| !line.is_empty()) {
        let mount = parse(line).ok_or_else(|| KernelError::Malformed {
            path: path.clone(),
            expected: "a line of mountinfo",
            found: excerpt(line),
        })?;
        if kinds.contains(&mount.kind.as_str()) {
            mounts.push(mount);
        }
    }
    Ok(mounts)
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue`: any number of words stand
/// before the lone `-`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = words(line);
    let mut device = words.nth(2)?.splitn(2, |byte| *byte == b':');
    let major = u32::try_from(number(device.next()?)?).ok()?;
    let minor = u32::try_from(number(device.next()?)?).ok()?;
    let root = path(words.next()?);
    let point = path(words.next()?);
    words.find(|word| *word == b"-")?;
    let kind = String::from_utf8_lossy(words.next()?).into_owned();
    // The source may be empty, and then it is one word less; the options are the last word either way.
    let options = words.last().unwrap_or_default();
    let options = options.split(|byte| *byte == b',').map(|one| String::from_utf8_lossy(one).into_owned()).collect();
    Some(Mount { device: (major, minor), root, point, kind, options })
}

fn path(word: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(without_octal(word)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line =
            br"33 31 0:30 /a\040b /sys/fs/cgroup/cpu,cpuacct rw shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct";
        let mount = parse(line).unwrap();
        assert_eq!(mount.device, (0, 30));
        assert_eq!(mount.root, Path::new("/a b"));
        assert_eq!(mount.point, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(mount.kind, "cgroup");
        assert!(mount.has("cpuacct") && !mount.has("cpuacc"));
    }

    #[test]
    fn an_empty_source_does_not_shift_the_options() {
        let mount = parse(b"1 2 0:3 / /x rw - cgroup2  rw,nsdelegate").unwrap();
        assert!(mount.has("nsdelegate"));
    }

    #[rstest]
    #[case("")]
    #[case("33 31")]
    #[case("33 31 030 / /x rw - cgroup cgroup rw")]
    #[case("33 31 0:30 / /x rw cgroup cgroup rw")]
    #[case("33 31 0:30 / /x rw -")]
    #[case("33 31 0:x / /x rw - cgroup cgroup rw")]
    fn other_lines_are_none(#[case] line: &str) {
        assert_eq!(parse(line.as_bytes()), None);
    }
}
