//! The values that an operator writes, each with the place where it was written, and the file that is made of them.
//!
//! YAML 1.2 in files and on the command line (`--set key=value`) becomes a tree of [`Node`]s. Nothing is converted there: a
//! scalar stays the text that was written, with a mark whether it was quoted, until somebody knows which type is wanted.
//!
//! [`load`] reads a whole file: every component that this program brings is defined in one table, by which arguments are
//! checked, described ([`describe_components`]) and given to editors ([`json_schema`]). What is wrong is collected in
//! [`ConfigErrors`], which [`render`] shows in the lines where it stands.

mod definitions;
mod describe;
mod error;
mod events;
mod files;
mod lines;
mod listen;
mod loggers;
mod model;
mod node;
mod parse;
mod quantity;
mod reading;
mod scalar;
mod schema;
mod surroundings;

pub use describe::{GuestDescription, ParameterDescription, describe_components};
pub use error::{ConfigError, ConfigErrors, render, render_in};
pub use files::{check_file_path, possible_files};
pub use listen::ListenAddress;
pub use loggers::{LogLevel, LoggerLevel, parse_logger};
pub use model::{
    Allocation, AllocationConfiguration, BasicAccess, Certificate, CgroupDriver, CgroupNode, ComponentEntry,
    Configuration, Control, CountingWindow, Detection, EventNames, FilterStorage, Guest, GuestId, GuestRunner,
    Interval, KafkaStorage, KubernetesNode, LabelGenerator, LinesChosen, LogStorage, Measurement, MesosNode,
    MetricNames, NodeChoice, PrometheusStorage, Protect, Rail, ResourceValue, Role, Runner, ServerVerify, Ssl,
    StaticNode, Storage, StorageId, UncoreEvents, WorkingSet,
};
pub use node::{Content, Entry, Node, Place};
pub use parse::{ParseError, parse, parse_value};
pub use quantity::{QuantityError, parse_bytes, parse_count, parse_duration};
pub use reading::load;
pub use scalar::Scalar;
pub use schema::json_schema;
pub use surroundings::{KnownGuest, Surroundings};
