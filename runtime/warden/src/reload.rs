//! Reading the configuration again: what the operator wrote is handed to the agent, and is in force when the agent says so.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wca_config::ListenAddress;
use wca_control::Policy;
use wca_kernel::Wanted;
use wca_messages::Refused;

use crate::config::Ticks;
use crate::error::WardenError;
use crate::inputs::Input;
use crate::named::FirstNumbers;
use crate::outputs::{Output, OutputFile};
use crate::serve::Service;

/// What the operator asks for now.
#[derive(Debug)]
pub struct Renewed {
    /// Handed to the agent as it is.
    pub settings: Vec<u8>,
    /// The files that it names, each with its name as written.
    pub files: Vec<(String, File)>,
    /// The files that the agent may write.
    pub outputs: Vec<OutputFile>,
    /// The files that arguments of components may name.
    pub inputs: Vec<PathBuf>,
    /// Where the agent is asked.
    pub listeners: Vec<ListenAddress>,
    /// The policies that it names, those that come first first.
    pub policies: Vec<Policy>,
    /// How changes are made.
    pub control: wca_control::Settings,
    /// What is measured of that which not everybody needs.
    pub wanted: Wanted,
    /// Folder of the machine's kubelet; none: nobody asks.
    pub kubelet: Option<PathBuf>,
    /// How often the agent should ask for samples.
    pub ticks: Option<Ticks>,
}

type Read = dyn FnMut(FirstNumbers) -> Result<Renewed, String> + Send;

/// Reads the configuration again; the error is what is wrong with it, as it is to be shown.
pub struct Reload(Box<Read>);

impl Reload {
    /// With a function that reads what the operator has written.
    #[must_use]
    pub fn new(read: impl FnMut(FirstNumbers) -> Result<Renewed, String> + Send + 'static) -> Self {
        Self(Box::new(read))
    }
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

/// What an agent runs under, as the operator asks for it.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Handed to the agent as it is.
    pub(crate) settings: Vec<u8>,
    /// The policies, those that come first first.
    pub(crate) policies: Vec<Policy>,
    /// How changes are made.
    pub(crate) control: wca_control::Settings,
    /// What is measured of that which not everybody needs.
    pub(crate) wanted: Wanted,
    /// Folder of the machine's kubelet; none: nobody asks.
    pub(crate) kubelet: Option<PathBuf>,
    /// How often the agent should ask for samples.
    pub(crate) ticks: Option<Ticks>,
}

/// A reading that the agent is building from.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) generation: u64,
    pub(crate) terms: Terms,
    /// The agent has fetched it.
    pub(crate) is_fetched: bool,
    first: FirstNumbers,
    since: Instant,
}

/// How a reload has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Why nothing of it is in force.
    pub(crate) refused: Option<String>,
    pub(crate) took: Duration,
}

impl Service {
    /// Reads the configuration again; the agent is to be told where it can be read.
    pub(crate) fn renew(&mut self) -> Result<(), Refused> {
        if self.pending.is_some() {
            return Err(Refused::OutOfOrder(
                "the configuration is being read already; ask again when that is over".into(),
            ));
        }
        let Some(Reload(read)) = &mut self.reload else {
            let text = "there is nothing to reload: WCA was started without a configuration file";
            return Err(Refused::Invalid(text.into()));
        };
        let since = Instant::now();
        let first = self.named.next()?;
        let renewed = read(first).and_then(|renewed| {
            let may_change = self.changes.check(&renewed.control);
            let outputs = || renewed.outputs.iter().map(Output::open).collect::<Result<Vec<Output>, WardenError>>();
            let opened = may_change.and_then(|()| Ok((outputs()?, self.named.listeners.at(&renewed.listeners)?)));
            opened.map(|opened| (renewed, opened)).map_err(|error| error.to_string())
        });
        let (renewed, (outputs, listeners)) = renewed.map_err(|why| {
            self.misread += 1;
            self.reopen_outputs();
            Refused::Invalid(why)
        })?;
        self.named.outputs.extend(outputs);
        self.named.inputs.extend(renewed.inputs.into_iter().map(Input::new).collect());
        self.named.listeners.extend(listeners);
        self.named.files.extend(renewed.files);
        self.generation += 1;
        self.pending = Some(Pending {
            generation: self.generation,
            terms: Terms {
                settings: renewed.settings,
                policies: renewed.policies,
                control: renewed.control,
                wanted: renewed.wanted,
                kubelet: renewed.kubelet,
                ticks: renewed.ticks,
            },
            is_fetched: false,
            first,
            since,
        });
        Ok(())
    }

    /// Opens the files anew that are written at their end: also where the configuration stays as it was, somebody may have
    /// moved them away before he asked for it to be read again. The agent asks for them once more.
    pub(crate) fn reopen_outputs(&mut self) {
        for output in self.named.outputs.iter_mut() {
            if let Err(error) = output.reopen() {
                tracing::error!("{error}; what was open before is written still");
            }
        }
    }

    /// Ends the reload that is under way: what was read is in force, or as if it had never been.
    pub(crate) fn settle(&mut self, refused: Option<String>) -> Option<Settled> {
        let pending = self.pending.take()?;
        let first = pending.first;
        if refused.is_none() {
            self.terms = pending.terms;
            let (control, policies) = (self.terms.control.clone(), self.terms.policies.clone());
            self.changes.renew(control, policies, self.measure.platform());
            self.measure.want(&self.terms.wanted);
            self.named.forget_before(first);
        } else {
            self.named.forget_from(first);
            self.reopen_outputs();
        }
        Some(Settled { refused, took: pending.since.elapsed() })
    }
}
