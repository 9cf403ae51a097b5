//! The file of the journal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::JournalError;
use super::record::{Record, VERSION};

/// Name of the file in the run directory.
const NAME: &str = "journal";
/// Where it is written anew, before it takes its place.
const NEW: &str = "journal.new";

/// The file, open at its end.
#[derive(Debug)]
pub(super) struct JournalFile {
    folder: PathBuf,
    file: File,
    boot: String,
    lines: usize,
    /// Bytes of the lines that are whole.
    length: u64,
}

impl JournalFile {
    /// Opens it, or makes it; what stands in it, with the numbers of the lines. A last line that was cut off by the end of the process
    /// that wrote it is left out: what it announced was not begun.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<(usize, Record)>), JournalError> {
        let path = folder.join(NAME);
        let mut file = open(&path, "opening", OpenOptions::new().read(true).append(true).create(true))?;
        let records = read(&mut file, &path)?;
        let length = file.metadata().map_err(failed("asking for the size of", &path))?.len();
        Ok((Self { folder: folder.to_owned(), file, boot: String::new(), lines: records.len(), length }, records))
    }

    /// What stands in it, of whichever process; none where there is no file.
    pub(super) fn peek(folder: &Path) -> Result<Option<Vec<(usize, Record)>>, JournalError> {
        let path = folder.join(NAME);
        match open(&path, "opening", OpenOptions::new().read(true)) {
            Ok(mut file) => read(&mut file, &path).map(Some),
            Err(JournalError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    /// Adds a line in one call, so that the end of this process leaves it whole or not there.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let path = self.folder.join(NAME);
        let line = line(record, &path)?;
        if let Err(error) = self.file.write_all(&line) {
            // A part of it would make the next line none of ours.
            self.file.set_len(self.length).map_err(failed("cutting off half a line of", &path))?;
            return Err(failed("writing", &path)(error));
        }
        self.lines += 1;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Replaces the whole of it.
    pub(super) fn rewrite(&mut self, boot: &str, records: impl Iterator<Item = Record>) -> Result<(), JournalError> {
        let (path, new) = (self.folder.join(NAME), self.folder.join(NEW));
        let begin = Record::Begin { version: VERSION, boot: boot.to_owned() };
        let mut bytes = Vec::new();
        let mut lines = 0;
        for record in std::iter::once(begin).chain(records) {
            bytes.extend(line(&record, &new)?);
            lines += 1;
        }
        let mut file = open(&new, "opening", OpenOptions::new().append(true).create(true))?;
        file.set_len(0).map_err(failed("emptying", &new))?;
        file.write_all(&bytes).map_err(failed("writing", &new))?;
        std::fs::rename(&new, &path).map_err(failed("renaming it to `journal`:", &new))?;
        let length = bytes.len() as u64;
        *self = Self { folder: std::mem::take(&mut self.folder), file, boot: boot.to_owned(), lines, length };
        Ok(())
    }

    /// Removes it.
    pub(super) fn remove(&self) -> Result<(), JournalError> {
        let path = self.folder.join(NAME);
        std::fs::remove_file(&path).map_err(failed("removing", &path))
    }

    pub(super) fn malformed(folder: &Path, line: usize, what: String) -> JournalError {
        JournalError::Malformed { path: folder.join(NAME), line, what }
    }
}

/// The records of a file, with the numbers of their lines.
fn read(file: &mut File, path: &Path) -> Result<Vec<(usize, Record)>, JournalError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed("reading", path))?;
    let mut records = Vec::new();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    for (at, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let malformed = |what| JournalError::Malformed { path: path.to_owned(), line: at + 1, what };
        let record: Record = serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
        if let Record::Begin { version, .. } = &record
            && *version != VERSION
        {
            return Err(malformed(format!("it has version {version}, this program knows {VERSION}")));
        }
        records.push((at + 1, record));
    }
    if !matches!(records.first(), None | Some((_, Record::Begin { .. }))) {
        return Err(JournalError::Malformed {
            path: path.to_owned(),
            line: 1,
            what: "it does not say of which boot it is".into(),
        });
    }
    Ok(records)
}

fn open(path: &Path, call: &'static str, options: &mut OpenOptions) -> Result<File, JournalError> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0);
    options.mode(0o600).custom_flags(flags).open(path).map_err(failed(call, path))
}

fn line(record: &Record, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut line = serde_json::to_vec(record).map_err(|error| failed("writing", path)(error.into()))?;
    line.push(b'\n');
    Ok(line)
}

fn failed(call: &'static str, path: &Path) -> impl Fn(std::io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::File { call, path: path.clone(), source }
}
