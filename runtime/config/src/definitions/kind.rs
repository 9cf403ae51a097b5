//! What an argument takes.

use crate::model::Role;
use crate::node::{Content, Node};
use crate::scalar::Scalar;

/// Most characters of a text.
pub(crate) const LONGEST_TEXT: usize = 400;

/// What an argument takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A text of at most [`LONGEST_TEXT`] characters, as all that follow and are texts.
    Text,
    /// One of these names; their own tag may stand before it.
    OneOf(&'static [&'static str], Option<&'static str>),
    /// A number with a decimal point.
    Float,
    /// A whole number in this range.
    Integer(i64, i64),
    /// A number in this range.
    Numeric(f64, f64),
    /// Any number.
    Number,
    /// A regular expression, with this many groups if that matters.
    Pattern(Option<usize>),
    /// A URL of HTTP.
    Url,
    /// A path without `..`.
    Path {
        /// Whether it must begin at the root.
        absolute: bool,
        /// Whether the file must be there and readable.
        readable: bool,
    },
    /// `host:port`
    HostPort,
    /// An address of this machine with a port, or the path of a socket.
    Listen,
    /// A list of these.
    List(&'static Kind),
    /// A mapping from texts to these.
    Map(&'static Kind),
    /// A mapping from names of labels to these.
    Labels(&'static Kind),
    /// The first of these that the value looks like.
    Either(&'static [Kind]),
    /// A component that is used as this.
    Component(Role),
    /// The component of this program with this tag.
    Only(&'static str),
}

impl Kind {
    /// What is expected, for messages: it follows "must be".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Text => "a text".into(),
            Self::OneOf(names, _) => format!("one of {}", names.join(", ")),
            Self::Float => "a number with a decimal point".into(),
            Self::Integer(low, high) => match (*low, *high) {
                (low, high) if low == i64::from(i32::MIN) && high == i64::from(i32::MAX) => "a whole number".into(),
                (low, high) if high == i64::from(i32::MAX) => format!("a whole number, {low} or more"),
                (low, high) => format!("a whole number from {low} to {high}"),
            },
            Self::Numeric(low, high) => format!("a number from {low} to {high}"),
            Self::Number => "a number".into(),
            Self::Pattern(None) => "a regular expression".into(),
            Self::Pattern(Some(groups)) => format!("a regular expression with {groups} groups"),
            Self::Url => "a URL".into(),
            Self::Path { absolute: true, .. } => "an absolute path".into(),
            Self::Path { .. } => "a path".into(),
            Self::HostPort => "HOST:PORT".into(),
            Self::Listen => "ADDRESS:PORT, or the path of a socket".into(),
            Self::List(item) => format!("a list of {}", item.expected_many()),
            Self::Map(value) | Self::Labels(value) => format!("a mapping to {}", value.expected_many()),
            Self::Either(kinds) => kinds.iter().map(Self::expected).collect::<Vec<_>>().join(", or "),
            Self::Component(role) => role.phrase().into(),
            Self::Only(tag) => format!("`!{tag}`"),
        }
    }

    fn expected_many(&self) -> String {
        match self {
            Self::Bool => "booleans".into(),
            Self::Text => "texts".into(),
            Self::OneOf(names, _) => format!("names out of {}", names.join(", ")),
            Self::Float | Self::Integer(..) | Self::Numeric(..) | Self::Number => "numbers".into(),
            Self::Pattern(_) => "regular expressions".into(),
            Self::Url => "URLs".into(),
            Self::Path { absolute: true, .. } => "absolute paths".into(),
            Self::Path { .. } => "paths".into(),
            Self::HostPort => "addresses HOST:PORT".into(),
            Self::Listen => "addresses to listen at".into(),
            Self::List(item) => format!("lists of {}", item.expected_many()),
            Self::Map(value) | Self::Labels(value) => format!("mappings to {}", value.expected_many()),
            Self::Either(kinds) => kinds.iter().map(Self::expected_many).collect::<Vec<_>>().join(" or "),
            Self::Component(role) => role.plural().into(),
            Self::Only(tag) => format!("`!{tag}`"),
        }
    }

    /// Whether a value is of this sort, whatever its limits.
    pub(crate) fn fits(&self, node: &Node) -> bool {
        match (self, &node.content) {
            (Self::Component(_) | Self::Only(_), _) => node.tag.is_some(),
            (Self::Either(kinds), _) => kinds.iter().any(|kind| kind.fits(node)),
            (Self::List(_), Content::List(_)) | (Self::Map(_) | Self::Labels(_), Content::Map(_)) => true,
            (kind, Content::Scalar(scalar)) => kind.fits_scalar(scalar),
            _ => false,
        }
    }

    fn fits_scalar(&self, scalar: &Scalar) -> bool {
        match self {
            Self::Bool => scalar.as_bool().is_some(),
            Self::Float => scalar.as_float().is_some() && scalar.as_integer().is_none(),
            Self::Integer(..) => scalar.as_integer().is_some(),
            Self::Numeric(..) | Self::Number => scalar.as_float().is_some(),
            Self::Text
            | Self::OneOf(..)
            | Self::Pattern(_)
            | Self::Url
            | Self::Path { .. }
            | Self::HostPort
            | Self::Listen => is_text(scalar),
            Self::List(_) | Self::Map(_) | Self::Labels(_) | Self::Either(_) | Self::Component(_) | Self::Only(_) => {
                false
            }
        }
    }

    /// Whether it is a scalar that is a text.
    pub(crate) fn is_textual(&self) -> bool {
        self.fits_scalar(&Scalar { text: "text".into(), quoted: true })
    }
}

/// Whether a scalar is a text, and nothing else.
pub(crate) fn is_text(scalar: &Scalar) -> bool {
    scalar.quoted || !(scalar.is_null() || scalar.as_bool().is_some() || scalar.as_float().is_some())
}
