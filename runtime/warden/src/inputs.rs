//! The files that the operator named as arguments of components: read here, with the operator's rights, whenever the agent asks.
//! Nothing of them is looked at.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use wca_messages::{InputContent, Refused};

use crate::content::{Links, Stamp, content, is_missing, stamp};

/// Seconds after it was written for which a file may change again without another stamp: coarse file systems count two.
const SETTLES: i64 = 3;

/// A file, as it was when it was looked at last.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    stamp: Option<Stamp>,
    version: u64,
}

impl Input {
    /// A file that may be there now, later or never.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, version: 0 }
    }

    /// What stands in it, for who knows that version. Links are followed: whoever mounts a configuration
    /// into a container replaces it by one.
    pub(crate) fn read(&mut self, known: Option<u64>) -> Result<InputContent, Refused> {
        // Before the content, so that what is written meanwhile has another one.
        let stamp = stamp(&self.path, Links::Followed);
        if stamp == Some(Stamp::Missing) {
            self.stamp = stamp;
            return Ok(InputContent::Missing);
        }
        let is_same = stamp.is_some() && stamp == self.stamp;
        if is_same && known == Some(self.version) && stamp.as_ref().is_some_and(is_settled) {
            return Ok(InputContent::Unchanged);
        }
        let failed = |why: io::Error| Refused::Failed(format!("{}: {why}", self.path.display()));
        let bytes = match content(&self.path, Links::Followed, owner_alone_writes) {
            Err(error) if is_missing(&error) => return Ok(InputContent::Missing),
            content => content.map_err(failed)?,
        };
        if !is_same {
            self.version += 1;
            self.stamp = stamp;
        }
        Ok(InputContent::Content { version: self.version, bytes })
    }
}

/// Refuses what everybody may write, as of the configuration itself: it says what is done on the machine.
fn owner_alone_writes(found: &Metadata) -> io::Result<()> {
    if found.mode() & 0o002 == 0 {
        return Ok(());
    }
    let mode = found.mode() & 0o7777;
    Err(io::Error::other(format!("everybody may write it (mode {mode:o}); take that right away with chmod o-w")))
}

/// Whether so long has passed since it was written that another writing would have another time.
fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    // A time that lies ahead says nothing.
    stamp.written_at().is_some_and(|written| (SETTLES..).contains(&now.saturating_sub(written)))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions, remove_file, rename, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn written_at(path: &Path, text: &str, seconds: u64) {
        write(path, text).unwrap();
        set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    fn content(version: u64, text: &str) -> Result<InputContent, Refused> {
        Ok(InputContent::Content { version, bytes: text.into() })
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        let mut input = Input::new(path.clone());
        assert_eq!(input.read(None), Ok(InputContent::Missing));
        written_at(&path, "one", 1_000);
        assert_eq!(input.read(None), content(1, "one"));
        assert_eq!(input.read(Some(1)), Ok(InputContent::Unchanged));
        assert_eq!(input.read(None), content(1, "one"), "another agent has nothing of it");
        let beside = folder.path().join("beside");
        written_at(&beside, "two", 1_000);
        rename(&beside, &path).unwrap();
        assert_eq!(input.read(Some(1)), content(2, "two"));
        remove_file(&path).unwrap();
        assert_eq!(input.read(Some(2)), Ok(InputContent::Missing));
        // The same bytes at the same time: another file all the same.
        written_at(&path, "two", 1_000);
        assert_eq!(input.read(Some(2)), content(3, "two"));
    }

    #[test]
    fn what_was_written_a_moment_ago_is_read_until_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        write(&path, "one").unwrap();
        set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let mut input = Input::new(path.clone());
        assert_eq!(input.read(None), content(1, "one"));
        assert_eq!(input.read(Some(1)), content(1, "one"));
    }

    #[test]
    fn a_link_is_followed_to_whatever_it_names_now() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        written_at(&at("a"), "a", 1_000);
        written_at(&at("b"), "b", 1_000);
        symlink(at("a"), at("link")).unwrap();
        let mut input = Input::new(at("link"));
        assert_eq!(input.read(None), content(1, "a"));
        symlink(at("b"), at("next")).unwrap();
        rename(at("next"), at("link")).unwrap();
        assert_eq!(input.read(Some(1)), content(2, "b"));
    }

    #[test]
    fn what_everybody_may_write_and_what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        written_at(&path, "one", 1_000);
        set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let told = Input::new(path.clone()).read(None).unwrap_err().to_string();
        let expected = "everybody may write it (mode 666); take that right away with chmod o-w";
        assert_eq!(told, format!("{}: {expected}", path.display()));
        let told = Input::new(folder.path().into()).read(None).unwrap_err().to_string();
        assert_eq!(told, format!("{}: it is no regular file", folder.path().display()));
    }
}
