//! What warden and agent say to each other, and the columns in shared memory.
//!
//! Messages travel over a `SOCK_SEQPACKET` socket, so that a malformed or oversized one can be refused without losing the
//! boundary of the next. What is large travels in sealed memory (`memfd`, sealed against writing, growing and shrinking)
//! beside a small message. See `docs/messages.md` for the order in which messages make sense.

mod columns;
mod kubelet;
mod memory_topology;
mod operator;
mod protocol;
mod sealed;
mod transport;

pub use columns::{ColumnsError, ColumnsHeader, MappedColumns, write_columns};
pub use kubelet::{KubeletFile, KubeletFiles};
pub use memory_topology::{Ipmctl, MemoryTopology, ToolAnswer};
pub use operator::{CoolingPolicy, JournalEntry, OperatorReply, OperatorRequest, RestoredValues};
pub use protocol::{
    Cgroup, Changed, Compiled, Cost, Downward, Event, Gap, HeldValue, InputContent, MAX_CPU, MAX_LABELS, MAX_MANAGER,
    MAX_PATH, MAX_REQUESTS, MAX_TASKS, PROTOCOL, Refused, Reply, Request, Reverted, RosterEntry, UPWARD_MAX, Upward,
};
pub use sealed::{SealedError, read_sealed, seal};
pub use transport::{Channel, INLINE_MAX, Incoming, MAX_DESCRIPTORS, ReceiveError, SEALED_MAX, SendError};
