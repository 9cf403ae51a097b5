//! Asking the warden for it.

use wca_config::{ConfigError, Measurement};
use wca_messages::{MemoryTopology, Reply, Request, ToolAnswer};
use wca_model::Sample;

use crate::client::{Client, ClientError};
use crate::memory_topology::Modules;

/// The memory modules, as far as they are known yet; none where nobody wants to know.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    modules: Modules,
    /// A tool is still running, whose answer is to be asked for again.
    is_awaited: bool,
    /// What it does not say is what the operator wants to have.
    is_required: bool,
    said: usize,
}

impl Memory {
    /// Asks for what a configuration wants to know (`gather_hw_mm_topology`).
    pub(crate) async fn ask(client: &Client, measurement: &Measurement) -> Result<Self, MemoryError> {
        if measurement.gather_hw_mm_topology == Some(false) {
            return Ok(Self::default());
        }
        let found = fetch(client).await?;
        let is_required = measurement.gather_hw_mm_topology == Some(true);
        if is_required {
            check(measurement, &found)?;
        }
        Ok(Self::of(&found, is_required))
    }

    fn of(found: &MemoryTopology, is_required: bool) -> Self {
        let is_awaited = found.ipmctl == ToolAnswer::Running;
        Self { modules: Modules::of(found), is_awaited, is_required, said: 0 }
    }

    /// What is known of them; says what is not, once.
    pub(crate) async fn samples(&mut self, client: &Client) -> &[Sample] {
        if self.is_awaited {
            match fetch(client).await {
                Ok(found) => *self = Self { said: self.said, ..Self::of(&found, self.is_required) },
                Err(error) => {
                    self.is_awaited = false;
                    tracing::error!("asking for the memory modules: {error}");
                }
            }
        }
        // What is known later comes behind.
        for note in self.modules.notes.iter().skip(self.said) {
            if self.is_required {
                tracing::warn!("{note}");
            } else {
                tracing::info!("{note}");
            }
        }
        self.said = self.modules.notes.len();
        &self.modules.samples
    }
}

/// The memory modules could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    /// The warden does not tell.
    #[error("asking for the memory modules: {0}")]
    Client(#[from] ClientError),
    /// The machine cannot tell, and the configuration insists.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

async fn fetch(client: &Client) -> Result<MemoryTopology, ClientError> {
    match client.ask(&Request::MemoryTopology).await?.reply {
        Reply::MemoryTopology(found) => Ok(found),
        _ => Err(ClientError::Unexpected),
    }
}

/// An operator who asks for the modules hears at the start where the machine cannot tell, not by their absence.
fn check(measurement: &Measurement, found: &MemoryTopology) -> Result<(), ConfigError> {
    let Err(why) = &found.smbios else { return Ok(()) };
    Err(ConfigError {
        place: Box::new(measurement.gather_hw_mm_topology_place.clone()),
        what: format!(
            "`gather_hw_mm_topology` is true, but the firmware's table of memory modules is not there: {why}"
        ),
        help: Some(
            "run WCA as root, on a machine whose firmware has SMBIOS\n\
             or write `gather_hw_mm_topology: null`, which is the modules where the machine can tell"
                .into(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use wca_messages::Ipmctl;

    use super::*;
    use crate::testing::{measurement, warden};

    fn gathering(gather: &str) -> Measurement {
        measurement(&format!("gather_hw_mm_topology: {gather}"))
    }

    fn table() -> Vec<u8> {
        include_bytes!("qemu.dmi").to_vec()
    }

    #[tokio::test]
    async fn nobody_is_asked_for_what_nobody_wants() {
        let (client, asked) = warden(|request| panic!("{request:?}"));
        let mut memory = Memory::ask(&client, &gathering("false")).await.unwrap();
        assert!(memory.samples(&client).await.is_empty());
        assert!(asked.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_machine_that_cannot_tell_is_an_error_only_where_the_operator_insists() {
        let smbios = || Err("cannot read DMI: No such file".to_owned());
        let (client, _) = warden(move |_| {
            Reply::MemoryTopology(MemoryTopology { smbios: smbios(), ipmctl: ToolAnswer::NotInstalled })
        });
        let mut memory = Memory::ask(&client, &gathering("null")).await.unwrap();
        assert!(memory.samples(&client).await.is_empty());
        let error = Memory::ask(&client, &gathering("true")).await.unwrap_err().to_string();
        let expected = "c.yaml:1:72: `gather_hw_mm_topology` is true, but the firmware's table of memory modules is not there: \
            cannot read DMI: No such file";
        assert_eq!(error, expected);
    }

    /// A tool that takes long keeps no tick waiting; it is asked for again until it has ended.
    #[tokio::test]
    async fn a_tool_that_takes_long_is_awaited() {
        let mut answers = 0;
        let (client, asked) = warden(move |_| {
            answers += 1;
            let resources = Ok(b"MemoryCapacity=7 B\n".to_vec());
            let said = Ipmctl { resources, dimms: Ok(vec![]), regions: Ok(vec![]) };
            let ipmctl = if answers < 3 { ToolAnswer::Running } else { ToolAnswer::Said(said) };
            Reply::MemoryTopology(MemoryTopology { smbios: Ok(table()), ipmctl })
        });
        let mut memory = Memory::ask(&client, &gathering("true")).await.unwrap();
        let mut counts = Vec::new();
        for _ in 0..4 {
            counts.push(memory.samples(&client).await.len());
        }
        assert_eq!((counts, asked.lock().unwrap().len()), (vec![4, 5, 5, 5], 3));
    }
}
