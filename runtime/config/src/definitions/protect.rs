//! Who is protected: tasks that must not get worse by what is done.

use wca_model::{CompareWith, Signal, Worse};

use super::selector::{EXCEPT, selector};
use super::{Definition, Kind, Parameter, Shape};
use crate::model::{Protect, Role};
use crate::reading::{Arguments, Made, NameOrMap, Reader, Seconds};

/// A number beyond which one is a mistake.
const MANY: f64 = 1e18;

pub(super) const PROTECT: Definition = Definition {
    tag: "Protect",
    role: Role::Value,
    help: "Tasks that must not get worse: what is done is undone where one of them does, and the policy changes nothing for a while.",
    available: true,
    shape: Shape::Arguments(
        &[
            Parameter::required("name", Kind::Text, "Its name, for messages and metrics."),
            Parameter::with_default(
                "tasks",
                Kind::Map(&Kind::Text),
                "{}",
                "Labels of the tasks that are protected, each with a pattern of * and ?; all must match, and without any all tasks are.",
            )
            .also_named("labels"),
            EXCEPT,
            Parameter::with_default(
                "cgroups",
                Kind::List(&Kind::Text),
                "[]",
                "Patterns for the paths of cgroups of which one must match, such as /kubepods/burstable/*; without any, all do.",
            ),
            Parameter::required(
                "signal",
                Kind::Either(&[Kind::OneOf(Signal::NAMES, None), Kind::Map(&Kind::Text)]),
                "What is watched: psi_cpu, psi_memory, cpi, throttling, or metric: NAME, a metric of tasks; of a counter its rate.",
            ),
            Parameter::with_default(
                "worse",
                Kind::OneOf(Worse::NAMES, None),
                "higher",
                "Which way the signal goes when a task gets worse.",
            ),
            Parameter::with_default(
                "worsening",
                Kind::Numeric(0.0, 1_000.0),
                "0.2",
                "Part by which the signal may get worse: 0.2 is a fifth.",
            ),
            Parameter::optional(
                "floor",
                Kind::Numeric(0.0, MANY),
                "Least difference that counts, in the signal's own unit; null is 0.05 of psi_cpu, psi_memory and throttling, 0.1 of cpi, \
                 and 0 of a metric.",
            ),
            Parameter::with_default(
                "window",
                Kind::Numeric(0.01, 86_400.0),
                "60",
                "Seconds after a change in which the signal is watched; three iterations at least.",
            ),
            Parameter::with_default(
                "compare_with",
                Kind::OneOf(CompareWith::NAMES, None),
                "baseline",
                "What a task is compared with: itself before the change (baseline), or that and how other protected tasks have \
                 fared meanwhile of which nothing was changed (peers).",
            ),
        ],
        protect,
    ),
};

fn protect(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let signal = signal(reader, arguments);
    let (tasks, except, cgroups) = selector(arguments)?;
    let worse: String = arguments.take("worse")?;
    let compare_with: String = arguments.take("compare_with")?;
    Some(Made::Protect(Box::new(Protect {
        place: arguments.place.clone(),
        name: arguments.take("name")?,
        tasks,
        except,
        cgroups,
        signal: signal?,
        signal_place: arguments.place_of("signal").clone(),
        worse: Worse::named(&worse)?,
        worsening: arguments.take("worsening")?,
        floor: arguments.take("floor")?,
        window: arguments.take::<Seconds>("window")?.0,
        window_place: arguments.place_of("window").clone(),
        compare_with: CompareWith::named(&compare_with)?,
    })))
}

/// A name, or `metric: NAME`.
fn signal(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Signal> {
    let pairs = match arguments.take("signal")? {
        NameOrMap::Name(name) => return Signal::named(&name),
        NameOrMap::Map(pairs) => pairs,
    };
    match pairs.as_slice() {
        [(key, name)] if key == "metric" => Some(Signal::Metric(name.clone())),
        _ => {
            let what = "`signal` of `!Protect` must have the one key `metric`, where it is a mapping".into();
            let help =
                format!("signal: {{metric: task_cpu_throttled_seconds}}, or one of {}", Signal::NAMES.join(", "));
            reader.error_with_help(&arguments.place_of("signal").clone(), what, help);
            None
        }
    }
}
