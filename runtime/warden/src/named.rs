//! What the operator has named, opened: lists to which each reading of the configuration adds.

use wca_messages::Refused;

use crate::files::Files;
use crate::inputs::Input;
use crate::listeners::Listener;
use crate::numbered::Numbered;
use crate::outputs::Output;

/// All of them.
pub(crate) struct Named {
    pub(crate) files: Files,
    pub(crate) outputs: Numbered<Output>,
    pub(crate) inputs: Numbered<Input>,
    pub(crate) listeners: Numbered<Listener>,
}

/// Numbers of the first file, the first output, the first input and the first listener that a new reading names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstNumbers {
    /// Of the files.
    pub file: u32,
    /// Of the outputs.
    pub output: u32,
    /// Of the inputs.
    pub input: u32,
    /// Of the listeners.
    pub listener: u32,
}

impl Named {
    /// What a reading would begin with now.
    ///
    /// # Errors
    /// [`Refused::Failed`] where there are no numbers left.
    pub(crate) fn next(&self) -> Result<FirstNumbers, Refused> {
        let Self { files, outputs, inputs, listeners } = self;
        Ok(FirstNumbers {
            file: files.next()?,
            output: outputs.next()?,
            input: inputs.next()?,
            listener: listeners.next()?,
        })
    }

    /// A reading is in force: what was named before it is forgotten.
    pub(crate) fn forget_before(&mut self, first: FirstNumbers) {
        self.files.forget_before(first.file);
        self.outputs.forget_before(first.output);
        self.inputs.forget_before(first.input);
        self.listeners.forget_before(first.listener);
    }

    /// A reading is as if it had never been.
    pub(crate) fn forget_from(&mut self, first: FirstNumbers) {
        self.files.forget_from(first.file);
        self.outputs.forget_from(first.output);
        self.inputs.forget_from(first.input);
        self.listeners.forget_from(first.listener);
    }
}
