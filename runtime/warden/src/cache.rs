//! Where compiled code is kept.
//!
//! Compiled code is trusted code. It is kept only in a folder that this user owns alone, and every entry is authenticated
//! with a secret of that folder, so that neither a swapped nor a damaged entry is ever run. Whatever is wrong with the
//! folder costs the cache, and whatever is wrong with an entry costs one compilation.

mod entry;
mod secret;

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, statat, unlinkat};
use sha2::{Digest, Sha256};

use crate::config::Cache;
use crate::private::{Closed, PrivateError, private_folder};

pub(crate) use entry::{Looked, Reading, Writing};
use secret::Secret;

/// How names of entries end.
const SUFFIX: &str = ".code";
/// How names of entries end while they are written.
const UNFINISHED: &str = ".new";
/// A file that has not been finished for so long is left over from a warden that died.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// By what an entry is found: the component, and all else that its code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn new(component: &[u8; 32], engine: &[u8; 32]) -> Self {
        Self(Sha256::new().chain_update(b"wca code 1").chain_update(component).chain_update(engine).finalize().into())
    }

    fn file_name(self) -> String {
        let mut name: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        name.push_str(SUFFIX);
        name
    }
}

/// The cache may not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    /// The folder cannot be trusted or made.
    #[error(transparent)]
    Folder(#[from] PrivateError),
    /// The secret by which entries are authenticated cannot be had.
    #[error("the key of the entries, {path}: {what}")]
    Secret {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Nobody knows where this user's files are.
    #[error("neither XDG_CACHE_HOME nor HOME names a folder")]
    NoHome,
}

/// The folder, once it has been looked at.
#[derive(Debug)]
pub(crate) struct Store {
    setting: Cache,
    folder: Option<Option<Rc<Folder>>>,
    /// Most bytes over all entries.
    most: u64,
}

/// A folder that may be used.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    folder: OwnedFd,
    secret: Secret,
    /// Number of the next entry that is written, so that no two have the same unfinished file.
    next: Cell<u64>,
}

impl Store {
    pub(crate) fn new(setting: Cache, most: u64) -> Self {
        Self { setting, folder: None, most }
    }

    /// The folder, opened at the first use; none where code is not kept. Why it is not is said once.
    pub(crate) fn folder(&mut self) -> Option<Rc<Folder>> {
        let setting = &self.setting;
        self.folder
            .get_or_insert_with(|| match open(setting) {
                Ok(folder) => folder.map(Rc::new),
                Err(error) => {
                    tracing::warn!("compiled code is not kept: {error} (--cache-dir names another folder)");
                    None
                }
            })
            .clone()
    }

    /// Removes the entries that were used longest ago, until the others fit.
    pub(crate) fn prune(&mut self) {
        if let Some(folder) = self.folder() {
            folder.prune(self.most);
        }
    }
}

fn open(setting: &Cache) -> Result<Option<Folder>, CacheError> {
    let path = match setting {
        Cache::None => return Ok(None),
        Cache::At(path) => path.clone(),
        Cache::Default if rustix::process::geteuid().is_root() => PathBuf::from("/var/cache/wca"),
        Cache::Default => of_user(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))?,
    };
    Folder::open(&path).map(Some)
}

/// As the base directory specification says: a relative path counts as none.
fn of_user(cache: Option<std::ffi::OsString>, home: Option<std::ffi::OsString>) -> Result<PathBuf, CacheError> {
    let absolute = |path: Option<std::ffi::OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(cache)
        .or_else(|| absolute(home).map(|home| home.join(".cache")))
        .map(|cache| cache.join("wca"))
        .ok_or(CacheError::NoHome)
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, CacheError> {
        let folder = private_folder(path, Closed::ToAll)?;
        let secret = Secret::of(&folder, path)?;
        Ok(Self { path: path.to_owned(), folder, secret, next: Cell::new(0) })
    }

    fn prune(&self, most: u64) {
        let Ok(entries) = Dir::read_from(&self.folder) else { return };
        let mut kept = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let Ok(found) = statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or(0));
            if name.ends_with(UNFINISHED) && used.elapsed().is_ok_and(|age| age > LEFT_OVER) {
                let _ = unlinkat(&self.folder, &name, AtFlags::empty());
            }
            if name.ends_with(SUFFIX) && FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
                kept.push((used, u64::try_from(found.st_size).unwrap_or(0), name));
            }
        }
        kept.sort_unstable();
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (_, size, name) in kept {
            if total <= most {
                return;
            }
            tracing::debug!(
                "removing {name} from {}: the cache has {total} bytes, at most {most}",
                self.path.display()
            );
            if unlinkat(&self.folder, &name, AtFlags::empty()).is_ok() {
                total -= size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_folder() {
        let of = |cache: Option<&str>, home: Option<&str>| of_user(cache.map(Into::into), home.map(Into::into)).ok();
        assert_eq!(of(Some("/c"), Some("/h")), Some("/c/wca".into()));
        assert_eq!(of(Some("c"), Some("/h")), Some("/h/.cache/wca".into()));
        assert_eq!(of(None, Some("/h")), Some("/h/.cache/wca".into()));
        assert_eq!(of(None, None), None);
    }

    #[test]
    fn keys_differ_by_component_and_by_engine() {
        let keys = [Key::new(&[1; 32], &[1; 32]), Key::new(&[2; 32], &[1; 32]), Key::new(&[1; 32], &[2; 32])];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("c");
        let folder = Folder::open(&path).unwrap();
        let now = SystemTime::now();
        for (name, age) in [("a.code", 30), ("b.code", 10), ("c.code", 20), ("x.code.1.new", 7200), ("y.code.1.new", 1)]
        {
            let file = std::fs::File::create(path.join(name)).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        folder.prune(200);
        let mut left: Vec<String> =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["b.code", "c.code", "key", "y.code.1.new"]);
    }
}
