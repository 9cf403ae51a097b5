//! Fetching what the kubelet has written down of its managers. Nothing of it is read here: somebody else has written it.

use std::path::{Path, PathBuf};

use wca_messages::{KubeletFile, KubeletFiles};

use crate::content::{Links, Stamp, content, is_missing, stamp};

/// The files, as they were when they were looked at last.
#[derive(Debug, Default)]
pub(crate) struct Kubelet {
    seen: Option<Seen>,
    /// Changes when the files do.
    version: u64,
    files: KubeletFiles,
}

/// By what a change is found without reading: the kubelet replaces a file as a whole.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    folder: PathBuf,
    stamps: [Stamp; 2],
}

impl Kubelet {
    /// What is in the files of this folder now, and a number that is another one where that has changed.
    pub(crate) fn look(&mut self, folder: &Path) -> (u64, &KubeletFiles) {
        let paths = ["cpu_manager_state", "memory_manager_state"].map(|name| folder.join(name));
        let seen = match (stamp(&paths[0], Links::Refused), stamp(&paths[1], Links::Refused)) {
            (Some(cpu), Some(memory)) => Some(Seen { folder: folder.to_owned(), stamps: [cpu, memory] }),
            _ => None,
        };
        if self.version == 0 || seen.is_none() || seen != self.seen {
            let [cpu, memory] = paths.map(|path| read(&path));
            let files = KubeletFiles { cpu, memory };
            if self.version == 0 || files != self.files {
                self.version += 1;
                self.files = files;
            }
            self.seen = seen;
        }
        (self.version, &self.files)
    }
}

fn read(path: &Path) -> Option<KubeletFile> {
    let content = match content(path, Links::Refused, |_| Ok(())) {
        Err(error) if is_missing(&error) => return None,
        content => content.map_err(|error| error.to_string()),
    };
    Some(KubeletFile { path: path.display().to_string(), content })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::content::LARGEST;

    const CPU: &str = "cpu_manager_state";

    fn content_of(file: Option<&KubeletFile>) -> Result<Vec<u8>, String> {
        file.unwrap().content.clone()
    }

    #[test]
    fn a_machine_without_a_kubelet_has_no_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut kubelet = Kubelet::default();
        assert_eq!(kubelet.look(dir.path()), (1, &KubeletFiles::default()));
        fs::write(dir.path().join("file"), "").unwrap();
        for folder in ["none", "file"] {
            assert_eq!(kubelet.look(&dir.path().join(folder)), (1, &KubeletFiles::default()), "{folder}");
        }
    }

    #[test]
    fn bytes_are_handed_on_as_they_are_and_anew_where_they_have_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CPU);
        let mut kubelet = Kubelet::default();
        assert_eq!(kubelet.look(dir.path()).0, 1);
        let mut steps = Vec::new();
        for text in [&b"\xff{"[..], b"\xff{", b"other"] {
            // As the kubelet writes it.
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), &path).unwrap();
            let (version, files) = kubelet.look(dir.path());
            assert_eq!(content_of(files.cpu.as_ref()).as_deref(), Ok(text));
            assert_eq!((&files.memory, &files.cpu.as_ref().unwrap().path), (&None, &path.display().to_string()));
            steps.push(version);
            assert_eq!(kubelet.look(dir.path()).0, version, "it is as it was");
        }
        assert_eq!(steps, [2, 2, 3], "the same again is no change");
        fs::remove_file(&path).unwrap();
        assert_eq!(kubelet.look(dir.path()), (4, &KubeletFiles::default()));
    }

    #[test]
    fn what_is_no_file_of_a_kubelet_is_told_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CPU);
        let told = |dir: &Path| content_of(Kubelet::default().look(dir).1.cpu.as_ref()).unwrap_err();
        fs::create_dir(&path).unwrap();
        assert_eq!(told(dir.path()), "it is no regular file");
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(told(dir.path()).contains("symbolic link"), "{}", told(dir.path()));
        fs::remove_file(&path).unwrap();
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(told(dir.path()), "it has more than 4194304 bytes");
    }
}
