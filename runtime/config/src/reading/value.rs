//! Values that have passed their checks.

use crate::model::{
    AllocationConfiguration, Control, GuestId, LabelGenerator, Measurement, NodeChoice, Protect, Rail, Runner, Ssl,
    StorageId,
};
use crate::node::Place;

/// A value that has passed its check.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `null`, where that is allowed.
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number, where whole numbers are a sort of their own.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// A text and its place.
    Text(String, Place),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
    /// A component.
    Made(Made),
}

/// A component.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    /// A node.
    Node(NodeChoice),
    /// A storage, native or a guest.
    Storage(StorageId),
    /// A guest that is no storage.
    Guest(GuestId),
    /// A label generator.
    Label(LabelGenerator),
    /// `MeasurementRunner`
    Measurement(Box<Measurement>),
    /// Any other runner.
    Runner(Box<Runner>),
    /// `SSL`
    Ssl(Ssl),
    /// `AllocationConfiguration`
    AllocationConfiguration(AllocationConfiguration),
    /// `AllocationControl`
    Control(Box<Control>),
    /// `Rail`
    Rail(Box<Rail>),
    /// `Protect`
    Protect(Box<Protect>),
}
