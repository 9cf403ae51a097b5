//! Pages of processes: on which NUMA node they lie, and moving them (move_pages(2)).

mod areas;
mod call;
mod mover;
mod process;
mod room;

pub use mover::{Job, Moved, Mover};
pub use room::{free_bytes, has_huge_pages_elsewhere};

use std::path::PathBuf;

use crate::cgroup::{Hierarchies, Version, relative_cgroup_path};
use crate::error::excerpt;
use crate::files::read_optional;
use crate::metrics::split::Split;
use crate::{KernelError, Roots};

/// Bytes of a cgroup and those below it on each NUMA node: anonymous memory and page cache (memory.numa_stat). None where the
/// kernel does not say.
///
/// # Errors
/// The file cannot be read or understood.
pub fn bytes_on_nodes(hierarchies: &Hierarchies, cgroup: &str) -> Result<Option<Vec<(u32, u64)>>, KernelError> {
    let (Some(hierarchy), Ok(relative)) = (hierarchies.with("memory"), relative_cgroup_path(cgroup)) else {
        return Ok(None);
    };
    let path = hierarchy.cgroup_dir(relative).join("memory.numa_stat");
    let Some(bytes) = read_optional(&path)? else { return Ok(None) };
    let split = match hierarchy.version {
        Version::V1 => Split::Pages,
        Version::V2 => Split::BytesToPages,
    };
    let page = rustix::param::page_size() as u64;
    let mut nodes = Vec::new();
    let is_understood = split.read(&bytes, &mut |node, pages| {
        let node = crate::text::number(node).and_then(|node| u32::try_from(node).ok());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "numbers of pages come from whole ones"
        )]
        nodes.extend(node.map(|node| (node, pages as u64 * page)));
    });
    if is_understood {
        return Ok(Some(nodes));
    }
    Err(KernelError::Malformed { path, expected: "numbers of each node such as N0=12", found: excerpt(&bytes) })
}

fn proc_file(roots: &Roots, process: u32, file: &str) -> PathBuf {
    roots.path(format!("/proc/{process}/{file}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(mounts: &str, dir: &str, text: Option<&str>) -> Result<Option<Vec<(u32, u64)>>, KernelError> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/self/mountinfo"), mounts).unwrap();
        let cgroup = root.path().join(dir).join("a");
        fs::create_dir_all(&cgroup).unwrap();
        fs::write(root.path().join(dir).join("cgroup.controllers"), "memory").unwrap();
        if let Some(text) = text {
            fs::write(cgroup.join("memory.numa_stat"), text).unwrap();
        }
        bytes_on_nodes(&Hierarchies::find(&Roots::at(root.path())).unwrap(), "/a")
    }

    const V1: &str = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const V2: &str = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn of_either_version() {
        let text = "total=5 N0=2 N1=3\nhierarchical_total=7 N0=3 N1=4\n";
        let page = rustix::param::page_size() as u64;
        assert_eq!(found(V1, "sys/fs/cgroup/memory", Some(text)).unwrap(), Some(vec![(0, 3 * page), (1, 4 * page)]));
        let text = "anon N0=8192 N1=4096\nfile N0=0 N1=4096\n";
        assert_eq!(found(V2, "sys/fs/cgroup", Some(text)).unwrap(), Some(vec![(0, 8_192), (1, 8_192)]));
    }

    #[test]
    fn nodes_are_counted_beyond_the_64th() {
        let text = "anon N0=8192 N64=4096 N1023=12288\nfile N0=0 N64=4096 N1023=0\n";
        let expected = vec![(0, 8_192), (64, 8_192), (1_023, 12_288)];
        assert_eq!(found(V2, "sys/fs/cgroup", Some(text)).unwrap(), Some(expected));
    }

    #[test]
    fn where_the_kernel_does_not_say_there_is_no_answer() {
        assert_eq!(found(V2, "sys/fs/cgroup", None).unwrap(), None);
        let error = found(V2, "sys/fs/cgroup", Some("anon x\n")).unwrap_err().to_string();
        assert!(error.contains("a/memory.numa_stat: expected numbers of each node"), "{error}");
    }
}
