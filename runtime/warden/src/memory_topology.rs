//! Fetching what firmware and tools say of the memory modules. Nothing of it is read here: others have written it.

use std::ffi::OsStr;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use wca_kernel::{Roots, smbios_table};
use wca_messages::{Ipmctl, MemoryTopology, ToolAnswer};

use crate::tool::{Ran, run};

/// The tool of persistent memory (<https://github.com/intel/ipmctl>).
const IPMCTL: &str = "ipmctl";
/// How long one of its answers may take: it asks each module by its mailbox.
const LIMIT: Duration = Duration::from_secs(20);

/// What was fetched of it so far. It does not change while the machine runs, so the tool is run once.
#[derive(Debug, Default)]
pub(crate) enum Tool {
    /// Nobody has asked yet.
    #[default]
    NotRun,
    /// It is run by a thread, since it may take seconds.
    Running(Receiver<ToolAnswer>),
    /// What came of it.
    Ended(ToolAnswer),
}

impl Tool {
    /// What is known now; the first time, the tool is started.
    pub(crate) fn memory_topology(&mut self, roots: &Roots) -> MemoryTopology {
        self.step(OsStr::new(IPMCTL));
        let ipmctl = match self {
            Self::Ended(answer) => answer.clone(),
            Self::NotRun | Self::Running(_) => ToolAnswer::Running,
        };
        MemoryTopology { smbios: smbios_table(roots).map_err(|error| error.to_string()), ipmctl }
    }

    fn step(&mut self, program: &OsStr) {
        if let Self::NotRun = self {
            let (sender, receiver) = channel();
            let program = program.to_owned();
            *self = Self::Running(receiver);
            std::thread::spawn(move || {
                // Nobody may wait for it any more.
                let _ = sender.send(ask(&program));
            });
        }
        let Self::Running(receiver) = self else { return };
        match receiver.try_recv() {
            Ok(answer) => *self = Self::Ended(answer),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => *self = Self::Ended(ToolAnswer::NotInstalled),
        }
    }
}

fn ask(program: &OsStr) -> ToolAnswer {
    let mut is_installed = true;
    let mut output = |arguments: &[&str]| match run(program, arguments, LIMIT) {
        Ran::Printed(text) => Ok(text),
        Ran::Failed(why) => Err(why),
        Ran::NotInstalled => {
            is_installed = false;
            Err(String::new())
        }
    };
    let said = Ipmctl {
        resources: output(&["show", "-u", "B", "-memoryresources"]),
        // All attributes, since the names of some are others in each version.
        dimms: output(&["show", "-a", "-u", "B", "-dimm"]),
        regions: output(&["show", "-a", "-u", "B", "-region"]),
    };
    if is_installed { ToolAnswer::Said(said) } else { ToolAnswer::NotInstalled }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    use super::*;

    fn ended(program: &OsStr) -> ToolAnswer {
        let mut tool = Tool::default();
        let begun = Instant::now();
        loop {
            tool.step(program);
            if let Tool::Ended(answer) = tool {
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_secs(50), "it never ends");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_table_and_what_the_tool_says_are_handed_on_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ipmctl");
        fs::write(&path, "#!/bin/sh\ncase \"$*\" in *region) exit 1;; *) echo \"$*\";; esac\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let ToolAnswer::Said(said) = ended(path.as_os_str()) else { panic!("it is installed") };
        assert_eq!(said.resources, Ok(b"show -u B -memoryresources\n".into()));
        assert_eq!(said.dimms, Ok(b"show -a -u B -dimm\n".into()));
        assert!(said.regions.is_err_and(|why| why.contains("-region: ")));
        assert_eq!(ended(OsStr::new("no-such-tool-at-all")), ToolAnswer::NotInstalled);
    }

    #[test]
    fn a_machine_without_a_table_says_where_it_would_be() {
        let dir = tempfile::tempdir().unwrap();
        let mut tool = Tool::Ended(ToolAnswer::NotInstalled);
        let found = tool.memory_topology(&Roots::at(dir.path()));
        assert!(found.smbios.is_err_and(|why| why.contains("/sys/firmware/dmi/tables/DMI")));
        let tables = dir.path().join("sys/firmware/dmi/tables");
        fs::create_dir_all(&tables).unwrap();
        fs::write(tables.join("DMI"), [127, 4, 0, 0, 0, 0]).unwrap();
        assert_eq!(tool.memory_topology(&Roots::at(dir.path())).smbios, Ok(vec![127, 4, 0, 0, 0, 0]));
    }
}
