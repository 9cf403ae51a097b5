//! What a policy's module has at hand without asking, by kind.

/// For `#[wca_guest::detector]`.
pub mod detector {
    pub use crate::types::{Contended, Key, Label, MetricKind, Refusal, Sample};
    pub use crate::{log, now, platform, random, report};
}

/// For `#[wca_guest::allocator]`.
pub mod allocator {
    pub use super::detector::*;
    pub use crate::plan;
}

/// For `#[wca_guest::storage]`.
pub mod storage {
    pub use crate::types::{Label, MetricKind, Sample, StoreError};
    pub use crate::{batch, log, now, random};
}

/// For `#[wca_guest::runner]`.
pub mod runner {
    pub use crate::types::{Key, Label, MetricKind, Refusal, Sample};
    pub use crate::{log, node, now, platform, random};
}
