//! Every component that this program brings, in one table: what is checked, described and given to editors comes from here.

mod control;
mod delivery;
mod guests;
mod kafka;
mod kind;
mod nodes;
mod parameter;
mod prometheus;
mod protect;
mod rails;
mod runners;
mod selector;
mod storages;
mod values;

pub(crate) use delivery::{DELIVERY, delivery};
pub(crate) use guests::GUEST_RUNNER;
pub(crate) use kind::{Kind, LONGEST_TEXT, is_text};
pub(crate) use parameter::{Parameter, joined};

use crate::model::Role;
use crate::reading::{Arguments, Made, Reader};

/// Builds a component from arguments that have passed their checks. `None` only after an error was reported, by the checks or
/// by itself.
pub(crate) type Make = fn(&mut Reader<'_>, &mut Arguments) -> Option<Made>;

/// A component of this program.
pub(crate) struct Definition {
    /// Its tag, without `!`.
    pub(crate) tag: &'static str,
    /// What it is.
    pub(crate) role: Role,
    /// One sentence.
    pub(crate) help: &'static str,
    /// Whether this version can run it.
    pub(crate) available: bool,
    /// What stands behind the tag.
    pub(crate) shape: Shape,
}

/// What stands behind a tag.
pub(crate) enum Shape {
    /// A mapping of arguments.
    Arguments(&'static [Parameter], Make),
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// Nothing: it is switched by an argument of a runner, and its tag stands nowhere.
    Unwritten,
}

impl Definition {
    /// Its arguments; none for a name.
    pub(crate) fn parameters(&self) -> &'static [Parameter] {
        match self.shape {
            Shape::Arguments(parameters, _) => parameters,
            Shape::OneOf(_) | Shape::Unwritten => &[],
        }
    }
}

const GROUPS: [&[Definition]; 4] = [runners::RUNNERS, nodes::NODES, storages::STORAGES, values::VALUES];

/// All of them, in the order in which they are described.
pub(crate) fn definitions() -> impl Iterator<Item = &'static Definition> {
    GROUPS.into_iter().flatten()
}

/// By its tag.
pub(crate) fn definition(tag: &str) -> Option<&'static Definition> {
    definitions().find(|definition| definition.tag == tag)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tags_and_names_are_unique_and_all_is_explained() {
        let mut tags = HashSet::new();
        for definition in definitions() {
            assert!(tags.insert(definition.tag), "{}", definition.tag);
            assert!(definition.help.ends_with('.'), "{}", definition.tag);
            let mut names = HashSet::new();
            for parameter in definition.parameters() {
                assert!(parameter.help.ends_with('.'), "{}.{}", definition.tag, parameter.name);
                for name in parameter.names() {
                    assert!(names.insert(name), "{}.{name}", definition.tag);
                }
                let other = parameter.instead_of;
                assert!(other.is_none_or(|other| names.contains(other)), "{}.{}", definition.tag, parameter.name);
            }
        }
    }
}
