//! From checked values to the types of the configuration.

use std::time::Duration;

use super::{Made, Value};
use crate::listen::ListenAddress;
use crate::model::{
    AllocationConfiguration, Control, GuestId, Interval, LabelGenerator, LinesChosen, Measurement, NodeChoice, Protect,
    Rail, ResourceValue, ServerVerify, Ssl, StorageId,
};
use crate::node::Place;

/// A type that a checked value can be converted to. `None`: the table of definitions and the reading of a component do not fit
/// together.
pub(crate) trait FromValue: Sized {
    /// Converts.
    fn from_value(value: Value) -> Option<Self>;
}

/// A mapping, in its order.
#[derive(Debug)]
pub(crate) struct Pairs<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A number of seconds.
pub(crate) struct Seconds(pub(crate) Duration);

/// A list of texts; a text that stands alone is a list of one.
pub(crate) struct Group(pub(crate) Vec<(String, Place)>);

/// A switch, or numbers that say more.
pub(crate) enum SwitchOrNumbers {
    /// `true` or `false`.
    Switch(bool),
    /// The numbers.
    Numbers(Vec<f64>),
}

/// A number, or a text that stands for one.
pub(crate) enum Bound {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A name, or a mapping that says more.
pub(crate) enum NameOrMap {
    /// The name.
    Name(String),
    /// The mapping.
    Map(Vec<(String, String)>),
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Implements [`FromValue`] by one pattern per accepted value.
macro_rules! from_value {
    ($($target:ty: $($pattern:pat => $result:expr),+;)+) => {
        $(impl FromValue for $target {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $($pattern => $result,)+
                    _ => None,
                }
            }
        })+
    };
}

from_value! {
    bool: Value::Bool(value) => Some(value);
    f64: Value::Number(value) => Some(value);
    u32: Value::Integer(value) => value.try_into().ok();
    i32: Value::Integer(value) => value.try_into().ok();
    String: Value::Text(text, _) => Some(text);
    ListenAddress: Value::Text(text, _) => text.parse().ok();
    (String, Place): Value::Text(text, place) => Some((text, place));
    Seconds: Value::Number(seconds) => Duration::try_from_secs_f64(seconds).ok().map(Self);
    Interval:
        Value::Null => Some(Self::Once),
        Value::Number(seconds) => Duration::try_from_secs_f64(seconds).ok().map(Self::Every);
    LinesChosen:
        Value::Bool(true) => Some(Self::All),
        Value::Bool(false) => Some(Self::Nothing),
        Value::Text(pattern, _) => Some(Self::Matching(pattern));
    ServerVerify:
        Value::Bool(true) => Some(Self::Machine),
        Value::Bool(false) => Some(Self::Off),
        Value::Text(path, _) => Some(Self::File(path));
    ResourceValue:
        Value::Integer(value) => Some(Self::Integer(value)),
        Value::Number(value) => Some(Self::Number(value)),
        Value::Text(text, _) => Some(Self::Text(text));
    Group:
        Value::Text(text, place) => Some(Self(vec![(text, place)])),
        list @ Value::List(_) => Vec::from_value(list).map(Self);
    SwitchOrNumbers:
        Value::Bool(value) => Some(Self::Switch(value)),
        list @ Value::List(_) => Vec::from_value(list).map(Self::Numbers);
    Bound:
        Value::Integer(value) => Some(Self::Number(whole(value))),
        Value::Number(value) => Some(Self::Number(value)),
        Value::Text(text, _) => Some(Self::Text(text));
    Control: Value::Made(Made::Control(control)) => Some(*control);
    Rail: Value::Made(Made::Rail(rail)) => Some(*rail);
    Protect: Value::Made(Made::Protect(protect)) => Some(*protect);
    NameOrMap:
        Value::Text(name, _) => Some(Self::Name(name)),
        map @ Value::Map(_) => Pairs::from_value(map).map(|pairs| Self::Map(pairs.0));
    NodeChoice: Value::Made(Made::Node(node)) => Some(node);
    StorageId: Value::Made(Made::Storage(storage)) => Some(storage);
    GuestId: Value::Made(Made::Guest(guest)) => Some(guest);
    LabelGenerator: Value::Made(Made::Label(generator)) => Some(generator);
    Measurement: Value::Made(Made::Measurement(measurement)) => Some(*measurement);
    Ssl: Value::Made(Made::Ssl(ssl)) => Some(ssl);
    AllocationConfiguration: Value::Made(Made::AllocationConfiguration(configuration)) => Some(configuration);
}

#[allow(clippy::cast_precision_loss, reason = "numbers that people write are far below 2^53")]
fn whole(value: i64) -> f64 {
    value as f64
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(T::from_value).collect(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Pairs<T> {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Map(pairs) = value else { return None };
        let pairs = pairs.into_iter().map(|(key, value)| Some((key, T::from_value(value)?)));
        pairs.collect::<Option<_>>().map(Self)
    }
}
