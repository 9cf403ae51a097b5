//! Which argument of which component a value is for.

use crate::node::{Node, Place};

/// Which argument a value is for: `tasks[1]` of `!StaticNode`.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    path: String,
    owner: Option<String>,
    /// Where the key stands.
    key: Option<Place>,
}

impl Spot {
    /// An argument of a component, or a key of the file if there is no owner.
    pub(crate) fn new(path: &str, owner: Option<&str>, key: Option<&Place>) -> Self {
        Self { path: path.into(), owner: owner.map(Into::into), key: key.cloned() }
    }

    /// An item of a list; counted from 0.
    pub(crate) fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), ..self.clone() }
    }

    /// A value of a mapping.
    pub(crate) fn member(&self, name: &str, key: &Place) -> Self {
        // The key of an aliased mapping stands before the alias: then the alias is still the better place.
        let key = if self.is_behind(key) { self.key.clone() } else { Some(key.clone()) };
        Self { path: format!("{}.{name}", self.path), owner: self.owner.clone(), key }
    }

    /// Where to say what is wrong with a value. What an alias stands for is elsewhere: then, at the key.
    pub(crate) fn place_of<'p>(&'p self, node: &'p Node) -> &'p Place {
        match &self.key {
            Some(key) if self.is_behind(&node.place) => key,
            _ => &node.place,
        }
    }

    /// Whether the key stands behind this place.
    fn is_behind(&self, place: &Place) -> bool {
        self.key.as_ref().is_some_and(|key| (key.line, key.column) > (place.line, place.column))
    }
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.path)?;
        self.owner.as_ref().map_or(Ok(()), |owner| write!(f, " of `!{owner}`"))
    }
}
