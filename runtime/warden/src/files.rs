//! The files that the operator named.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use wca_messages::Refused;

use crate::numbered::Numbered;

/// The files, by the number that the operator's order has given them.
pub(crate) type Files = Numbered<(String, File)>;

/// A file that was opened anew, read-only, so that its position is not shared with anybody.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) name: &'a str,
    pub(crate) size: u64,
    pub(crate) file: OwnedFd,
}

impl Files {
    /// Opens a file by its number.
    pub(crate) fn open(&self, number: u32) -> Result<Opened<'_>, Refused> {
        let (name, file) = self.get(number)?;
        let failed = |what: &str, errno| Refused::Failed(format!("{name}: {what}: {errno}"));
        let found = fstat(file).map_err(|errno| failed("fstat", errno))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Refused::Failed(format!("{name} is no regular file; a component is read from one")));
        }
        let by_descriptor = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let file =
            open(by_descriptor, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK, Mode::empty())
                .map_err(|errno| failed("opening it again", errno))?;
        Ok(Opened { name, size: u64::try_from(found.st_size).unwrap_or(0), file })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn a_file_is_opened_anew_and_cannot_be_written() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"component").unwrap();
        let mut position = file.try_clone().unwrap();
        let files = Files::new("file", vec![("x.wasm".into(), file)]);
        let opened = files.open(0).unwrap();
        assert_eq!((opened.name, opened.size), ("x.wasm", 9));
        let mut opened = File::from(opened.file);
        let mut text = String::new();
        opened.read_to_string(&mut text).unwrap();
        assert_eq!(text, "component");
        assert!(opened.write_all(b"x").is_err());
        assert_eq!(position.stream_position().unwrap(), 9);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let (pipe, _) = rustix::pipe::pipe().unwrap();
        let files = Files::new("file", vec![("/dev/stdin".into(), File::from(pipe))]);
        assert_eq!(files.open(1).unwrap_err().to_string(), "file 1: the operator named 1, counted from 0");
        let told = files.open(0).unwrap_err().to_string();
        assert_eq!(told, "/dev/stdin is no regular file; a component is read from one");
    }
}
