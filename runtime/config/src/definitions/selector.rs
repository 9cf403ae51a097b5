//! Which tasks something is said of: arguments of rails and of who is protected.

use super::{Kind, Parameter};
use crate::reading::{Arguments, Pairs};

pub(super) const EXCEPT: Parameter =
    Parameter::with_default("except", Kind::Map(&Kind::Text), "{}", "Tasks with all of these labels are left out.");

/// Patterns by label.
type Labels = Vec<(String, String)>;

/// Takes `tasks`, `except` and `cgroups`.
pub(super) fn selector(arguments: &mut Arguments) -> Option<(Labels, Labels, Vec<String>)> {
    let tasks: Pairs<String> = arguments.take("tasks")?;
    let except: Pairs<String> = arguments.take("except")?;
    Some((tasks.0, except.0, arguments.take("cgroups")?))
}
