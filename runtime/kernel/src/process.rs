//! What /proc says of one process (proc(5)).

use std::fs;
use std::path::{Path, PathBuf};

use crate::KernelError;
use crate::error::{excerpt, is_absent};
use crate::files::read_file;
use crate::text::{number, number_of, words};

/// Bytes of memory that a process has now (`VmRSS` of its status, proc_pid_status(5)).
///
/// # Errors
/// The process is gone, or the file cannot be read or understood.
pub fn resident_memory(pid: u32) -> Result<u64, KernelError> {
    let path = PathBuf::from(format!("/proc/{pid}/status"));
    let bytes = read_file(&path)?;
    let kilobytes = number_of(&bytes, b"VmRSS").and_then(|kilobytes| kilobytes.checked_mul(1_024));
    kilobytes.ok_or_else(|| KernelError::Malformed { path, expected: "a line VmRSS: N kB", found: excerpt(&bytes) })
}

/// The children of a process's first thread (proc_pid_task(5)).
///
/// # Errors
/// The process is gone, or the file cannot be read or understood.
pub fn children(pid: u32) -> Result<Vec<u32>, KernelError> {
    let path = PathBuf::from(format!("/proc/{pid}/task/{pid}/children"));
    let bytes = read_file(&path)?;
    let children = words(&bytes).map(|word| number(word).and_then(|pid| u32::try_from(pid).ok()));
    let children = children.collect::<Option<_>>();
    children.ok_or_else(|| KernelError::Malformed { path, expected: "numbers", found: excerpt(&bytes) })
}

/// What the open descriptors of a process lead to (proc_pid_fd(5)): a path where it is a file, else something like
/// `socket:[1]`. The order is that of the directory.
///
/// # Errors
/// The process is gone, or its descriptors may not be seen.
pub fn open_files(pid: u32) -> Result<Vec<PathBuf>, KernelError> {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KernelError::Read { path, source }
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
        let path = entry.map_err(failed(&folder))?.path();
        match fs::read_link(&path) {
            Ok(target) => found.push(target),
            // Closed since the directory was read.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn of_a_child_of_this_process() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        assert!((1..1 << 30).contains(&resident_memory(pid).unwrap()));
        assert!(open_files(pid).unwrap().contains(&PathBuf::from("/dev/null")));
        assert_eq!(children(pid).unwrap(), [0u32; 0]);
        child.kill().unwrap();
        child.wait().unwrap();
        for error in [resident_memory(pid).unwrap_err(), children(pid).unwrap_err(), open_files(pid).unwrap_err()] {
            assert!(error.to_string().starts_with(&format!("cannot read /proc/{pid}/")), "{error}");
        }
    }
}
