//! What is known of arguments that stand under the tag of a WebAssembly component.

use super::{Kind, Parameter};
use crate::model::Role;

/// Arguments under the tag of a guest that is the runner which are for this program: all others are the guest's own.
pub(crate) const GUEST_RUNNER: &[Parameter] = &[
    Parameter::with_default(
        "measurement_runner",
        Kind::Only("MeasurementRunner"),
        "!MeasurementRunner {node: !CgroupNode }",
        "What the guest can have measured.",
    ),
    Parameter::optional("detector", Kind::Component(Role::Detector), "The detector that the guest can call."),
    Parameter::optional("allocator", Kind::Component(Role::Allocator), "The allocator that the guest can call."),
    Parameter::with_default(
        "anomalies_storage",
        Kind::Component(Role::Storage),
        "!LogStorage",
        "Where the anomalies go that were found.",
    ),
    Parameter::with_default(
        "allocations_storage",
        Kind::Component(Role::Storage),
        "!LogStorage",
        "Where the allocations go that were made.",
    ),
    Parameter::with_default(
        "allocation_control",
        Kind::Only("AllocationControl"),
        "!AllocationControl {}",
        "How the changes are made that the allocator asks for.",
    ),
];
