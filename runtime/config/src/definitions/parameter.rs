//! An argument of a component.

use super::Kind;

/// An argument of a component.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    /// The name by which it is described.
    pub(crate) name: &'static str,
    /// Another name of the same meaning.
    pub(crate) other_name: Option<&'static str>,
    /// An argument with another type for the same matter: not both can be given.
    pub(crate) instead_of: Option<&'static str>,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Whether it takes `null` too.
    pub(crate) nullable: bool,
    /// YAML that stands for it where it is not given; `None`: it must be given.
    pub(crate) default: Option<&'static str>,
    /// One sentence.
    pub(crate) help: &'static str,
}

impl Parameter {
    /// One that must be given.
    pub(crate) const fn required(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, other_name: None, instead_of: None, kind, nullable: false, default: None, help }
    }

    /// One with a default.
    pub(crate) const fn with_default(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, other_name: None, instead_of: None, kind, nullable: false, default: Some(default), help }
    }

    /// One that is `null` where it is not given.
    pub(crate) const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, other_name: None, instead_of: None, kind, nullable: true, default: Some("null"), help }
    }

    /// Takes `null` although that is not its default.
    pub(crate) const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Has another name too.
    pub(crate) const fn also_named(self, other: &'static str) -> Self {
        Self { other_name: Some(other), ..self }
    }

    /// Excludes another argument.
    pub(crate) const fn instead_of(self, other: &'static str) -> Self {
        Self { instead_of: Some(other), ..self }
    }

    /// Each of its names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.name), self.other_name].into_iter().flatten()
    }
}

/// These arguments, and then those; `N` is the number of both.
pub(crate) const fn joined<const A: usize, const B: usize, const N: usize>(
    first: [Parameter; A],
    second: [Parameter; B],
) -> [Parameter; N] {
    let mut both = [first[0]; N];
    let mut at = 0;
    while at < N {
        both[at] = if at < A { first[at] } else { second[at - A] };
        at += 1;
    }
    both
}
