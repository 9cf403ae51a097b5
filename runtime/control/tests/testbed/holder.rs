//! A process that has memory until it is dropped, on the nodes of the cgroup that it starts in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// How many bytes it has, for [`holder`].
const BYTES: &str = "WCA_TEST_BYTES";
/// The file that it makes then.
const READY: &str = "WCA_TEST_READY";

/// The process: started by [`Holder::start`] alone.
#[test]
#[ignore = "runs inside the test bed"]
fn holder() {
    let (Ok(bytes), Ok(ready)) = (std::env::var(BYTES), std::env::var(READY)) else { return };
    let memory = vec![1_u8; bytes.parse().unwrap()];
    fs::write(ready, "").unwrap();
    loop {
        std::hint::black_box(&memory);
        std::thread::park();
    }
}

pub struct Holder {
    child: Child,
    /// The folder of its files, which it may still open.
    _folder: TempDir,
}

impl Holder {
    /// It has so many bytes, in the cgroup with this directory, and variables that malloc knows.
    pub fn start(cgroup: &str, bytes: u64, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let program = std::env::current_exe().unwrap();
        let line = r#"echo 0 > "$1/cgroup.procs" && exec "$2" --ignored --exact holder::holder --nocapture"#;
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh", cgroup]).arg(program);
        command.env(BYTES, bytes.to_string()).env(READY, &ready).envs(variables.iter().copied());
        Self::wait(&mut command, &ready, folder)
    }

    /// A shell that has so many bytes, and a child without a cgroup of its own that has the same ones.
    pub fn shared(cgroup: &str, bytes: u64) -> (Self, u32) {
        let folder = tempfile::tempdir().unwrap();
        let (ready, child) = (folder.path().join("ready"), folder.path().join("child"));
        let lines = r#"
            echo 0 > "$1/cgroup.procs"
            held=$(head -c "$2" /dev/zero | tr '\0' x)
            mkfifo "$3.never"
            (echo 0 > /sys/fs/cgroup/cgroup.procs; read line < "$3.never") &
            echo $! > "$4"; : > "$3"
            read line < "$3.never""#;
        let mut command = Command::new("sh");
        command.args(["-c", lines, "sh", cgroup, &bytes.to_string()]).arg(&ready).arg(&child);
        let shell = Self::wait(&mut command, &ready, folder);
        (shell, fs::read_to_string(child).unwrap().trim().parse().unwrap())
    }

    fn wait(command: &mut Command, ready: &Path, folder: TempDir) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        while !ready.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended: {command:?}");
            sleep(Duration::from_millis(10));
        }
        Self { child, _folder: folder }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of its own memory on each node: /proc/PID/numa_maps, without files that it maps.
    pub fn on_nodes(&self) -> BTreeMap<u32, u64> {
        on_nodes(&fs::read_to_string(format!("/proc/{}/numa_maps", self.child.id())).unwrap())
    }

    /// The same of one node.
    pub fn on(&self, node: u32) -> u64 {
        self.on_nodes().get(&node).copied().unwrap_or(0)
    }

    /// Kilobytes of a line of /proc/PID/smaps_rollup.
    pub fn kilobytes(&self, key: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn on_nodes(numa_maps: &str) -> BTreeMap<u32, u64> {
    let mut nodes = BTreeMap::new();
    for line in numa_maps.lines().filter(|line| line.contains("anon=")) {
        let value = |key: &str| line.split(' ').find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
        let page = value("kernelpagesize_kB=").unwrap() << 10;
        for word in line.split(' ') {
            let Some((node, pages)) = word.strip_prefix('N').and_then(|rest| rest.split_once('=')) else { continue };
            *nodes.entry(node.parse().unwrap()).or_default() += pages.parse::<u64>().unwrap() * page;
        }
    }
    nodes
}

#[test]
fn pages_of_each_size_are_counted() {
    let text = "7f00 default anon=3 dirty=3 N0=1 N1=2 kernelpagesize_kB=4\n7f01 default file=/x mapped=9 N0=9 kernelpagesize_kB=4\n\
        7f02 default file=/anon_hugepage\\040(deleted) huge anon=1 dirty=1 N1=1 kernelpagesize_kB=2048\n7f03 default\n";
    assert_eq!(on_nodes(text), [(0, 4_096), (1, (2 << 20) + 8_192)].into());
}
