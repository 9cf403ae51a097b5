//! Opening what the operator named, without waiting for anybody and without being led elsewhere: a FIFO has no writer or reader
//! yet, a file may be leased to somebody, and a link may be another user's.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fcntl_setfl, fstat, fstatfs, open, readlinkat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::WardenError;

/// Everybody may read what is stored, as the umask allows.
pub(crate) const MODE: Mode = Mode::from_raw_mode(0o644);
/// As many links one behind the other the kernel follows.
const MOST_LINKS: usize = 40;

/// Opens for reading, at once whatever it is. Whether it is a file is for the caller to say.
///
/// # Errors
/// What the kernel says.
pub fn open_to_read(path: impl AsRef<Path>) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Opens a file for writing at its end, at once, and makes it where it is not there. Links in the place of the file are followed
/// where they are root's or this user's own.
pub(crate) fn open_at_end(named: &Path) -> Result<OwnedFd, WardenError> {
    let failed = |errno| WardenError::Output { path: named.to_owned(), errno };
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let mut path = named.to_owned();
    for _ in 0..MOST_LINKS {
        match open(&path, flags | OFlags::NOFOLLOW, MODE) {
            Err(Errno::LOOP) => {}
            opened => return written_at_end(opened, named, &path),
        }
        match link(&path).map_err(failed)? {
            Link::None => {}
            Link::Foreign { owner } => return Err(WardenError::ForeignLink { path, owner }),
            Link::Kernel => return written_at_end(open(&path, flags, MODE), named, &path),
            Link::To(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
        }
    }
    Err(failed(Errno::LOOP))
}

/// What stands in the place of a file.
enum Link {
    /// Nothing, or no link any more.
    None,
    /// The link of a user who is neither root nor this one.
    Foreign { owner: u32 },
    /// One of `/proc`, which leads to what is open and not to a path.
    Kernel,
    /// A link that is trusted, to this path.
    To(PathBuf),
}

/// The link at a path. Owner and target are those of one and the same link, whatever is put there meanwhile.
fn link(path: &Path) -> Result<Link, Errno> {
    let link = match open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Link::None),
        opened => opened?,
    };
    let found = fstat(&link)?;
    if kind(&found) != FileType::Symlink {
        return Ok(Link::None);
    }
    if found.st_uid != 0 && found.st_uid != geteuid().as_raw() {
        return Ok(Link::Foreign { owner: found.st_uid });
    }
    if fstatfs(&link)?.f_type == PROC_SUPER_MAGIC {
        return Ok(Link::Kernel);
    }
    let target = readlinkat(&link, "", Vec::new())?.into_bytes();
    Ok(Link::To(OsString::from_vec(target).into()))
}

/// What was opened, where it can be written at its end; it is waited for again when it is written.
fn written_at_end(opened: Result<OwnedFd, Errno>, named: &Path, path: &Path) -> Result<OwnedFd, WardenError> {
    let failed = |errno| WardenError::Output { path: named.to_owned(), errno };
    let unfit = |what| WardenError::UnfitOutput { path: named.to_owned(), what };
    let file = opened.map_err(|errno| match (errno, stat(path).as_ref().map(kind)) {
        (Errno::NXIO, Ok(FileType::Fifo)) => unfit("a FIFO that nobody reads"),
        (Errno::NXIO, Ok(FileType::Socket)) => unfit("a socket"),
        _ => failed(errno),
    })?;
    match kind(&fstat(&file).map_err(failed)?) {
        FileType::RegularFile | FileType::CharacterDevice | FileType::Fifo => {}
        FileType::BlockDevice => return Err(unfit("a block device")),
        _ => return Err(unfit("no file")),
    }
    fcntl_setfl(&file, OFlags::APPEND).map_err(failed)?;
    Ok(file)
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

#[cfg(test)]
mod tests {
    use std::fs::{read_to_string, write};
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{lchown, symlink};
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, fcntl_getfl, mkfifoat};

    use super::*;
    use crate::skipped::skipped;

    fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        mkfifoat(CWD, &path, MODE).unwrap();
        path
    }

    fn told(path: &Path) -> String {
        open_at_end(path).map_or_else(|error| error.to_string(), |_| "opened".into())
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let mut reader = open_to_read(&path).unwrap();
        let mut writer = File::from(open_at_end(&path).unwrap());
        assert!(!fcntl_getfl(&writer).unwrap().contains(OFlags::NONBLOCK), "who writes waits for who reads");
        writer.write_all(b"text").unwrap();
        let mut text = [0; 4];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"text");
        drop((reader, writer));
        let shown = path.display();
        assert_eq!(told(&path), format!("{shown} cannot be written: it is a FIFO that nobody reads"));
    }

    #[test]
    fn what_cannot_be_written_at_its_end_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(told(&socket), format!("{} cannot be written: it is a socket", socket.display()));
        let shown = folder.path().display();
        assert_eq!(told(folder.path()), format!("{shown} cannot be written: Is a directory (os error 21)"));
        assert_eq!(told(Path::new("/dev/null")), "opened");
    }

    #[test]
    fn links_of_this_user_and_of_the_kernel_are_followed_one_behind_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("file", at("near")).unwrap();
        symlink(at("near"), at("far")).unwrap();
        // Also to one that is not there yet.
        for text in ["one\n", "two\n"] {
            File::from(open_at_end(&at("far")).unwrap()).write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(read_to_string(at("file")).unwrap(), "one\ntwo\n");
        let open = File::options().append(true).open(at("file")).unwrap();
        let by_descriptor = format!("/proc/self/fd/{}", open.as_raw_fd());
        symlink(by_descriptor, at("device")).unwrap();
        File::from(open_at_end(&at("device")).unwrap()).write_all(b"three\n").unwrap();
        assert_eq!(read_to_string(at("file")).unwrap(), "one\ntwo\nthree\n");
        symlink("loop", at("loop")).unwrap();
        assert!(told(&at("loop")).contains("Too many levels of symbolic links"), "{}", told(&at("loop")));
    }

    #[test]
    fn the_link_of_another_user_leads_nowhere() {
        if !geteuid().is_root() {
            skipped("only root can give a link away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(at("secret"), "secret\n").unwrap();
        symlink("secret", at("foreign")).unwrap();
        lchown(at("foreign"), Some(4242), None).unwrap();
        symlink("foreign", at("own")).unwrap();
        let expected = format!(
            "{} cannot be written: it is a link of user 4242, who can lead it anywhere; only links of root and of WCA's own \
             user are followed",
            at("foreign").display()
        );
        assert_eq!(told(&at("foreign")), expected);
        assert_eq!(told(&at("own")), expected);
        assert_eq!(read_to_string(at("secret")).unwrap(), "secret\n");
    }
}
