//! Folders that nobody else may put anything into.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, statat};
use rustix::io::Errno;

/// A folder cannot be trusted or had.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// The path has no last name.
    #[error("{0} is no path of a folder of its own; name one that ends in a name")]
    NoName(PathBuf),
    /// A link, which somebody could lead elsewhere.
    #[error("{0} is a link; a real folder is taken")]
    Link(PathBuf),
    /// Somebody else's.
    #[error("{path} belongs to the user {found}; it must belong to the user {own}")]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: u32,
        /// Whose it should be.
        own: u32,
    },
    /// Others may use it.
    #[error("{path} has mode {mode:04o}, so that others may use it; `chmod 700 {path}` closes it")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The kernel said no.
    #[error("{call} {path}: {errno}")]
    System {
        /// The call.
        call: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
}

/// Whom a folder must be closed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Others may not even look.
    ToAll,
    /// Others may not write.
    ToWriters,
}

/// Opens a folder, made where there is none, and checks through the descriptor what was opened: a real folder of this
/// user's, closed to others.
pub(crate) fn private_folder(path: &Path, closed: Closed) -> Result<OwnedFd, PrivateError> {
    let system = |call, path: &Path| {
        let path = path.to_owned();
        move |errno| PrivateError::System { call, path, errno }
    };
    // A path that ends in a name: with `/` or `.` behind a link, the kernel would follow it.
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(PrivateError::NoName(path.to_owned()));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = match openat(CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            std::fs::create_dir_all(parent)
                .map_err(|error| system("mkdir", parent)(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
            openat(CWD, parent, flags, Mode::empty())
        }
        opened => opened,
    }
    .map_err(system("opening", parent))?;
    match mkdirat(&above, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(system("mkdir", path)(errno)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(&above, name, flags, Mode::empty()).map_err(|errno| {
        let link = statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
        if link { PrivateError::Link(path.to_owned()) } else { system("opening", path)(errno) }
    })?;
    let found = fstat(&folder).map_err(system("fstat", path))?;
    let own = rustix::process::geteuid().as_raw();
    if found.st_uid != own {
        return Err(PrivateError::Owner { path: path.to_owned(), found: found.st_uid, own });
    }
    let forbidden = match closed {
        Closed::ToAll => 0o077,
        Closed::ToWriters => 0o022,
    };
    let mode = found.st_mode & 0o7777;
    if mode & forbidden != 0 {
        return Err(PrivateError::Open { path: path.to_owned(), mode });
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    use super::*;
    use crate::skipped::skipped;

    fn told(path: &Path, closed: Closed) -> String {
        private_folder(path, closed).map_or_else(|error| error.to_string(), |_| "taken".into())
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/c");
        private_folder(&path, Closed::ToAll).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
        assert_eq!(told(&path, Closed::ToAll), "taken");
    }

    #[test]
    fn what_others_may_touch_is_not_taken() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x");
        private_folder(&path, Closed::ToAll).unwrap();
        for (mode, all, writers) in
            [(0o777, false, false), (0o755, false, true), (0o701, false, true), (0o720, false, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let shown = path.display();
            let closed =
                format!("{shown} has mode {mode:04o}, so that others may use it; `chmod 700 {shown}` closes it");
            let expected = |taken: bool| if taken { "taken" } else { &closed };
            assert_eq!(told(&path, Closed::ToAll), expected(all));
            assert_eq!(told(&path, Closed::ToWriters), expected(writers));
        }
    }

    #[test]
    fn a_link_is_not_followed_whatever_stands_behind_it() {
        let temp = tempfile::tempdir().unwrap();
        let real = temp.path().join("real");
        private_folder(&real, Closed::ToAll).unwrap();
        let link = temp.path().join("link");
        symlink(&real, &link).unwrap();
        let expected = format!("{} is a link; a real folder is taken", link.display());
        assert_eq!(told(&link, Closed::ToAll), expected);
        let behind = PathBuf::from(format!("{}/", link.display()));
        assert!(told(&behind, Closed::ToAll).ends_with("is a link; a real folder is taken"));
        assert!(matches!(private_folder(&link.join(".."), Closed::ToAll), Err(PrivateError::NoName(_))));
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_taken() {
        if !rustix::process::geteuid().is_root() {
            skipped("only root can give a folder away");
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x");
        private_folder(&path, Closed::ToAll).unwrap();
        chown(&path, Some(4242), None).unwrap();
        let expected = format!("{} belongs to the user 4242; it must belong to the user 0", path.display());
        assert_eq!(told(&path, Closed::ToAll), expected);
    }

    #[test]
    fn a_file_is_no_folder() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(private_folder(&path, Closed::ToAll), Err(PrivateError::System { call: "opening", .. })));
    }
}
