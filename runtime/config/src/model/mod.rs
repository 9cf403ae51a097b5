//! What an operator's file says, once everything in it has been checked.

mod control;
mod discovery;
mod role;
mod runner;
mod storage;

use std::sync::Arc;

pub use control::{Control, Protect, Rail};
pub use discovery::{CgroupDriver, CgroupNode, KubernetesNode, MesosNode, NodeChoice, ResourceValue, StaticNode};
pub use role::Role;
pub use runner::{
    Allocation, AllocationConfiguration, CountingWindow, Detection, EventNames, GuestRunner, Interval, LabelGenerator,
    LinesChosen, Measurement, MetricNames, Runner, UncoreEvents, WorkingSet,
};
pub use storage::{
    BasicAccess, Certificate, FilterStorage, KafkaStorage, LogStorage, PrometheusStorage, ServerVerify, Ssl, Storage,
};

use wca_model::DeliveryTerms;

use crate::loggers::LoggerLevel;
use crate::node::{Node, Place};

/// Which of [`Configuration::storages`]. Two places of a file with the same number share one storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorageId(pub usize);

/// Which of [`Configuration::guests`]. Two places of a file with the same number share one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GuestId(pub usize);

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// `loggers`, in the order of the file.
    pub loggers: Vec<LoggerLevel>,
    /// `runner`.
    pub runner: Runner,
    /// Every storage, those inside of a filter before the filter.
    pub storages: Vec<Storage>,
    /// Every WebAssembly component that the file makes an instance of.
    pub guests: Vec<Guest>,
    /// `components`: what the file says of WebAssembly components as such, in the order of the file.
    pub components: Vec<ComponentEntry>,
    /// What the operator should hear once at start, each with `file:line:column` before it.
    pub notes: Vec<String>,
}

/// An instance of a WebAssembly component.
#[derive(Clone, Debug, PartialEq)]
pub struct Guest {
    /// The tag by which it is called, without `!`.
    pub tag: String,
    /// Its own arguments: always a mapping, without tags, each `!Env` replaced by its text.
    pub parameters: Arc<Node>,
    /// Where the tag stands.
    pub place: Place,
    /// What it is used as.
    pub role: Role,
}

/// What `components` says of one WebAssembly component.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentEntry {
    /// The tag, without `!`.
    pub tag: String,
    /// Where the tag stands.
    pub place: Place,
    /// The file that holds the component; `None`: one that is registered otherwise.
    pub path: Option<(String, Place)>,
    /// Origins that it may send requests to.
    pub allow_http: Vec<(String, Place)>,
    /// How metrics are given to it, where it is a storage and the file says so.
    pub delivery: Option<DeliveryTerms>,
    /// Limits as `--limit NAME=VALUE` knows them: name, text as written, place of the text.
    pub limits: Vec<(String, String, Place)>,
}
