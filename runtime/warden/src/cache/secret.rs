//! The secret by which the entries of a folder are authenticated.

use std::os::fd::OwnedFd;
use std::path::Path;

use hmac::{Hmac, KeyInit as _};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, linkat, openat, unlinkat};
use rustix::io::Errno;
use sha2::Sha256;

use super::CacheError;

const NAME: &str = "key";
const SIZE: usize = 32;

/// A random number that nobody but this user can read.
#[derive(Clone)]
pub(crate) struct Secret([u8; SIZE]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// That of the folder; a new one where it has none, or none that could be trusted.
    pub(super) fn of(folder: &OwnedFd, path: &Path) -> Result<Self, CacheError> {
        let failed = |what: String| CacheError::Secret { path: path.join(NAME), what };
        // Twice: another warden may make one at the same moment.
        for _ in 0..2 {
            match read(folder) {
                Ok(Some(secret)) => return Ok(secret),
                Ok(None) => {}
                Err(what) => {
                    tracing::warn!(
                        "{}: {what}; a new key is made, and all code is compiled anew",
                        path.join(NAME).display()
                    );
                    unlinkat(folder, NAME, AtFlags::empty()).map_err(|errno| failed(errno.to_string()))?;
                }
            }
            make(folder).map_err(failed)?;
        }
        read(folder).map_err(failed)?.ok_or_else(|| failed("it was removed at the same moment".into()))
    }

    /// Begins an authentication.
    pub(super) fn authenticate(&self) -> Hmac<Sha256> {
        let mut block = [0; 64];
        block[..SIZE].copy_from_slice(&self.0);
        Hmac::new(&block.into())
    }
}

/// The secret; none where there is no file.
fn read(folder: &OwnedFd) -> Result<Option<Secret>, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(folder, NAME, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err("it is a link".into()),
        Err(errno) => return Err(errno.to_string()),
    };
    let found = fstat(&file).map_err(|errno| errno.to_string())?;
    let (own, owner, mode) = (rustix::process::geteuid().as_raw(), found.st_uid, found.st_mode & 0o7777);
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err("it is no file".into());
    }
    if owner != own {
        return Err(format!("it belongs to the user {owner}, not {own}"));
    }
    if mode & 0o077 != 0 {
        return Err(format!("it has mode {mode:04o}, so that others may use it"));
    }
    let mut secret = [0; SIZE + 1];
    match rustix::io::pread(&file, &mut secret, 0) {
        Ok(SIZE) => {
            let mut exact = [0; SIZE];
            exact.copy_from_slice(&secret[..SIZE]);
            Ok(Some(Secret(exact)))
        }
        Ok(read) => Err(format!("it has {read} bytes or more instead of {SIZE}")),
        Err(errno) => Err(errno.to_string()),
    }
}

/// Makes a secret under its name, unless there is one by then.
fn make(folder: &OwnedFd) -> Result<(), String> {
    let mut secret = [0; SIZE];
    getrandom::fill(&mut secret).map_err(|error| error.to_string())?;
    let name = format!("{NAME}.{}.new", std::process::id());
    let told = |errno: Errno| errno.to_string();
    let _ = unlinkat(folder, &name, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, &name, flags, Mode::RUSR | Mode::WUSR).map_err(told)?;
    let written =
        rustix::io::write(&file, &secret).and_then(|_| match linkat(folder, &name, folder, NAME, AtFlags::empty()) {
            Err(Errno::EXIST) => Ok(()),
            linked => linked,
        });
    let _ = unlinkat(folder, &name, AtFlags::empty());
    written.map_err(told)
}
