//! What is to be written for one request.

use wca_kernel::values::Spot;

/// One value that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where.
    pub(crate) spot: Spot,
    /// What, in canonical form.
    pub(crate) value: String,
}

/// What is to be written for one request, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The steps. One whose value stands there already costs no write.
    pub(crate) steps: Vec<Step>,
    /// What was asked for could not be had as it is: the value that is taken instead, for the outcome `adjusted`.
    pub(crate) adjusted: Option<String>,
}
