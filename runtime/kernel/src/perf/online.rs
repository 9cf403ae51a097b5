//! Which processors are online, as it changes.

use crate::machine::file::MachineFile;
use crate::platform::cpus;
use crate::text::number_list;
use crate::{Notice, Roots, Said};

/// The processors that are online, looked at again at each reading.
pub(crate) struct Online {
    roots: Roots,
    file: MachineFile,
    /// What the file said last; none before it was first read.
    text: Option<Vec<u8>>,
    /// The processors, in order.
    pub cpus: Vec<u32>,
}

impl Online {
    pub(crate) fn new(roots: &Roots) -> Self {
        let file = MachineFile::new(roots.path("/sys/devices/system/cpu/online"));
        Self { roots: roots.clone(), file, text: None, cpus: Vec::new() }
    }

    /// Looks at the file again; true where other processors are online than the last time.
    ///
    /// Where a container hides the file, the processors of /proc/stat are taken once. Where it cannot be understood, what
    /// was known stands.
    pub(crate) fn refresh(&mut self, buffer: &mut Vec<u8>, said: &mut Said, notices: &mut Vec<Notice>) -> bool {
        let text = match self.file.read(buffer) {
            Ok(count) => &buffer[..count],
            Err(_) => b"",
        };
        if self.text.as_deref() == Some(text) {
            return false;
        }
        let found = match number_list(text).filter(|list| !list.is_empty()) {
            Some(list) => Some(list),
            None if text.is_empty() => match cpus(&self.roots, &[]) {
                Ok(cpus) => Some(cpus.iter().map(|cpu| cpu.id).collect()),
                Err(error) => {
                    if said.first(("online", error.to_string())) {
                        notices
                            .push(Notice::NotKnown { what: "which processors are online", reason: error.to_string() });
                    }
                    None
                }
            },
            None => {
                self.file.malformed(text, said, notices);
                None
            }
        };
        self.text = Some(text.to_owned());
        let Some(mut found) = found else { return false };
        found.sort_unstable();
        let has_changed = self.cpus != found;
        self.cpus = found;
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Tree {
        dir: tempfile::TempDir,
        online: Online,
        said: Said,
    }

    impl Tree {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let online = Online::new(&Roots::at(dir.path()));
            Self { dir, online, said: Said::default() }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn refresh(&mut self) -> (bool, Vec<u32>, usize) {
            let mut notices = Vec::new();
            let changed = self.online.refresh(&mut vec![0; 64], &mut self.said, &mut notices);
            (changed, self.online.cpus.clone(), notices.len())
        }
    }

    const FILE: &str = "sys/devices/system/cpu/online";

    #[test]
    fn processors_come_and_go() {
        let mut tree = Tree::new();
        // As vector 61 has them.
        tree.write(FILE, "0-3,6,10-12\n");
        let all = vec![0, 1, 2, 3, 6, 10, 11, 12];
        assert_eq!(tree.refresh(), (true, all.clone(), 0));
        assert_eq!(tree.refresh(), (false, all, 0));
        tree.write(FILE, "0-1\n");
        assert_eq!(tree.refresh(), (true, vec![0, 1], 0));
    }

    #[test]
    fn a_malformed_list_leaves_what_was_known() {
        let mut tree = Tree::new();
        tree.write(FILE, "0-1\n");
        tree.refresh();
        tree.write(FILE, "0-\n");
        assert_eq!(tree.refresh(), (false, vec![0, 1], 1));
        assert_eq!(tree.refresh(), (false, vec![0, 1], 0), "said once");
    }

    #[test]
    fn where_the_file_is_hidden_there_is_another() {
        let mut tree = Tree::new();
        tree.write("proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu2 1 2 3 4\nintr 5\n");
        assert_eq!(tree.refresh(), (true, vec![0, 2], 0));
        assert_eq!(tree.refresh(), (false, vec![0, 2], 0));
    }

    #[test]
    fn a_machine_that_says_nothing_has_none() {
        let mut tree = Tree::new();
        assert_eq!(tree.refresh(), (false, vec![], 1));
        assert_eq!(tree.refresh(), (false, vec![], 0), "said once");
    }
}
