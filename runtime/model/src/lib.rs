//! Plain data that every part of WCA shares: tasks, the platform, metrics, snapshots, anomalies, requests and outcomes.
//!
//! Nothing here does I/O, knows WebAssembly or waits. A [`snapshot::Snapshot`] is immutable once built.

pub mod anomaly;
pub mod batch;
pub mod catalog;
pub mod choice;
pub mod control;
pub mod definition;
pub mod delivery;
pub mod exposition;
pub mod in_force;
pub mod inherited;
pub mod lane;
pub mod metric;
pub mod openmetrics;
pub mod outcome;
pub mod platform;
pub mod request;
pub mod snapshot;
pub mod task;
#[cfg(test)]
mod testing;

pub use anomaly::{Contended, Contention};
pub use batch::{Batch, Family};
pub use catalog::{Catalog, Series};
pub use choice::{Choice, Chosen};
pub use control::{CompareWith, Mode, OnExit, OnFailure, OnForeignWrite, SharesConversion, Signal, Worse};
pub use definition::{Confirmed, Definition, Described, Subject};
pub use delivery::{DeliveryTerms, OnStorageFailure};
pub use in_force::{InForce, RdtInForce};
pub use lane::{Lane, Stream};
pub use metric::{Label, MetricInfo, MetricKind, Sample};
pub use outcome::{Fate, Outcome, Refusal};
pub use platform::Platform;
pub use request::{Change, Kind, Request};
pub use snapshot::{Snapshot, Values};
pub use task::{Roster, Task, TaskKey};
