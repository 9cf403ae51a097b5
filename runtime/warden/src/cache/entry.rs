//! One entry: 80 bytes that say what it is, and the code.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use hmac::{Hmac, Mac as _};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, fstat, openat, renameat, unlinkat, utimensat};
use rustix::io::Errno;
use sha2::Sha256;

use super::{Folder, Key, UNFINISHED};
use crate::copy::{CopyError, copy_piece, failed, memory, seal};

/// What an entry begins with; another layout has another.
const MAGIC: [u8; 8] = *b"wcacode1";
/// Magic, key, number of bytes, and the code that authenticates them with the bytes.
const HEADER: usize = 8 + 32 + 8 + 32;
const AUTHENTICATED: usize = 8 + 32 + 8;

fn begin(folder: &Folder, key: Key, length: u64) -> ([u8; HEADER], Hmac<Sha256>) {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..40].copy_from_slice(&key.0);
    header[40..48].copy_from_slice(&length.to_le_bytes());
    let mut mac = folder.secret.authenticate();
    mac.update(&header[..AUTHENTICATED]);
    (header, mac)
}

/// An entry on its way from the folder into sealed memory.
#[derive(Debug)]
pub(crate) struct Reading {
    folder: Rc<Folder>,
    name: String,
    file: OwnedFd,
    memory: OwnedFd,
    length: u64,
    done: u64,
    mac: Hmac<Sha256>,
    expected: [u8; 32],
}

/// What became of the search for an entry.
#[derive(Debug)]
pub(crate) enum Looked {
    /// There is no entry that can be used.
    Miss,
    /// There is more to read.
    Reading(Box<Reading>),
    /// The code.
    Hit(OwnedFd),
}

/// An entry that cannot be used; the text says why.
struct Unusable(String);

impl From<CopyError> for Unusable {
    fn from(error: CopyError) -> Self {
        Self(error.to_string())
    }
}

impl Reading {
    /// Looks for an entry of at most `most` bytes.
    pub(crate) fn find(folder: &Rc<Folder>, key: Key, most: u64) -> Looked {
        let name = key.file_name();
        match Self::open(folder, key, &name, most) {
            Ok(Some(reading)) => Looked::Reading(Box::new(reading)),
            Ok(None) => Looked::Miss,
            Err(why) => folder.refuse(&name, &why),
        }
    }

    fn open(folder: &Rc<Folder>, key: Key, name: &str, most: u64) -> Result<Option<Self>, Unusable> {
        let wrong = |what: String| Err(Unusable(what));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&folder.folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return wrong("it is a link".into()),
            Err(errno) => return wrong(format!("opening: {errno}")),
        };
        let found = fstat(&file).map_err(failed("fstat"))?;
        let (own, owner) = (rustix::process::geteuid().as_raw(), found.st_uid);
        let size = u64::try_from(found.st_size).unwrap_or(0);
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return wrong("it is no file".into());
        }
        if owner != own {
            return wrong(format!("it belongs to the user {owner}, not {own}"));
        }
        if size > most.saturating_add(HEADER as u64) {
            return wrong(format!("it has {size} bytes, at most {most} of code are taken"));
        }
        let mut header = [0; HEADER];
        let read = rustix::io::pread(&file, &mut header, 0).map_err(failed("reading"))?;
        let length = size.saturating_sub(HEADER as u64);
        let (ours, mac) = begin(folder, key, length);
        if read < HEADER || header[40..48] != ours[40..48] {
            return wrong("it was cut short or grew".into());
        }
        if header[..40] != ours[..40] {
            return wrong("it is of another component or another version of WCA".into());
        }
        let mut expected = [0; 32];
        expected.copy_from_slice(&header[AUTHENTICATED..]);
        let (folder, name) = (Rc::clone(folder), name.to_owned());
        Ok(Some(Self { folder, name, file, memory: memory("wca-code")?, length, done: 0, mac, expected }))
    }

    /// Reads the next piece.
    pub(crate) fn step(mut self: Box<Self>) -> Looked {
        match self.read_piece() {
            Ok(false) => Looked::Reading(self),
            Ok(true) => {
                self.touch();
                Looked::Hit(self.memory)
            }
            Err(why) => self.folder.refuse(&self.name, &why),
        }
    }

    /// Whether that was the last one, and all of them are what they should be.
    fn read_piece(&mut self) -> Result<bool, Unusable> {
        let left = self.length - self.done;
        if left > 0 {
            let piece = copy_piece(&self.file, HEADER as u64 + self.done, &self.memory, self.done, left)?;
            if piece.is_empty() {
                return Err(Unusable("it was cut short".into()));
            }
            self.mac.update(&piece);
            self.done += piece.len() as u64;
            return Ok(false);
        }
        if self.mac.clone().verify_slice(&self.expected).is_err() {
            return Err(Unusable("it is not what this user's WCA wrote there".into()));
        }
        seal(&self.memory)?;
        Ok(true)
    }

    /// The last use is what an entry is judged by when room is needed.
    fn touch(&self) {
        let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        let _ = utimensat(&self.folder.folder, &self.name, &times, AtFlags::SYMLINK_NOFOLLOW);
    }
}

impl Folder {
    /// Removes an entry that cannot be used, and says why.
    fn refuse(&self, name: &str, why: &Unusable) -> Looked {
        let path = self.path.join(name);
        tracing::warn!("compiled code in {} is not taken: {}; it is compiled anew", path.display(), why.0);
        let _ = unlinkat(&self.folder, name, AtFlags::empty());
        Looked::Miss
    }
}

/// An entry on its way into the folder. It stands under its name only when all of it is there.
#[derive(Debug)]
pub(crate) struct Writing {
    folder: Rc<Folder>,
    key: Key,
    unfinished: String,
    code: OwnedFd,
    file: OwnedFd,
    length: u64,
    done: u64,
    header: [u8; HEADER],
    mac: Hmac<Sha256>,
}

impl Writing {
    /// Begins to keep code, which is sealed.
    pub(crate) fn new(folder: &Rc<Folder>, key: Key, code: OwnedFd) -> Result<Self, CopyError> {
        let length = u64::try_from(fstat(&code).map_err(failed("fstat"))?.st_size).unwrap_or(0);
        let number = folder.next.replace(folder.next.get() + 1);
        let unfinished = format!("{}.{}.{number}{UNFINISHED}", key.file_name(), std::process::id());
        let _ = unlinkat(&folder.folder, &unfinished, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder.folder, &unfinished, flags, Mode::RUSR | Mode::WUSR).map_err(failed("creating"))?;
        let (header, mac) = begin(folder, key, length);
        Ok(Self { folder: Rc::clone(folder), key, unfinished, code, file, length, done: 0, header, mac })
    }

    /// Writes the next piece; whether that was the last one.
    pub(crate) fn step(&mut self) -> Result<bool, CopyError> {
        let left = self.length - self.done;
        if left > 0 {
            let piece = copy_piece(&self.code, self.done, &self.file, HEADER as u64 + self.done, left)?;
            self.mac.update(&piece);
            self.done += piece.len() as u64;
            return Ok(false);
        }
        self.header[AUTHENTICATED..].copy_from_slice(&self.mac.clone().finalize().into_bytes());
        rustix::io::pwrite(&self.file, &self.header, 0).map_err(failed("writing"))?;
        let folder = &self.folder.folder;
        renameat(folder, &self.unfinished, folder, self.key.file_name()).map_err(failed("renaming"))?;
        Ok(true)
    }

    /// For messages.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path.join(self.key.file_name())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // It is there only where the entry was not finished.
        let _ = unlinkat(&self.folder.folder, &self.unfinished, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests;
