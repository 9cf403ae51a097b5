//! Storages of this program.

use std::path::{Component, Path};

use super::delivery::{ON_FAILURE, QUEUE, RETRY, delivery};
use super::kafka::KAFKA_STORAGE;
use super::prometheus::PROMETHEUS_STORAGE;
use super::{Definition, Kind, Parameter, Shape};
use crate::model::{FilterStorage, LogStorage, Role, Storage};
use crate::reading::{Arguments, Made, Pairs, Reader};

const TEXTS: Kind = Kind::List(&Kind::Text);

pub(super) const STORAGES: &[Definition] = &[
    Definition {
        tag: "LogStorage",
        role: Role::Storage,
        help: "Writes metrics in Prometheus' text form to a file, or to standard error.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::optional(
                    "output_filename",
                    Kind::Path { absolute: false, readable: false },
                    "The file that is written; null is standard error.",
                ),
                Parameter::with_default(
                    "overwrite",
                    Kind::Bool,
                    "false",
                    "Whether each iteration replaces the file, instead of being added at its end.",
                ),
                Parameter::optional(
                    "include_timestamp",
                    Kind::Bool,
                    "Whether each line ends with the time; null is whenever the file is not overwritten.",
                ),
                Parameter::optional("filter_labels", TEXTS, "The only labels that are written; null is all."),
                ON_FAILURE,
                QUEUE,
                RETRY,
            ],
            log_storage,
        ),
    },
    Definition {
        tag: "FilterStorage",
        role: Role::Storage,
        help: "Passes metrics with certain names and labels on to other storages.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::required(
                    "storages",
                    Kind::List(&Kind::Component(Role::Storage)),
                    "Where metrics are passed on to, one after the other.",
                ),
                Parameter::optional(
                    "filter",
                    TEXTS,
                    "Names of the metrics that are passed on, in which * stands for any characters and ? for one; null is all, and an \
                     empty list none.",
                ),
                Parameter::optional(
                    "labels",
                    Kind::Labels(&Kind::Pattern(None)),
                    "Labels of the samples that are passed on, each with a regular expression of Python that matches the whole value; \
                     one that a sample lacks is empty. All must match, and the name too.",
                ),
            ],
            filter_storage,
        ),
    },
    PROMETHEUS_STORAGE,
    KAFKA_STORAGE,
];

fn log_storage(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let output_filename: Option<String> = arguments.take("output_filename")?;
    let overwrite = arguments.take("overwrite")?;
    if overwrite && output_filename.is_none() {
        reader.error_with_help(
            arguments.place_of("overwrite"),
            "standard error cannot be overwritten: `overwrite` of `!LogStorage` needs a file".into(),
            "name the file in `output_filename`".into(),
        );
        return None;
    }
    if let Some(path) = &output_filename
        && reader.storages().any(|other| shares(other, path, overwrite))
    {
        reader.error_with_help(
            arguments.place_of("output_filename"),
            format!("another `!LogStorage` writes {path} too, and what one replaces is lost to the other"),
            "give each a file of its own".into(),
        );
        return None;
    }
    let include_timestamp = arguments.take::<Option<bool>>("include_timestamp")?.unwrap_or(!overwrite);
    let filter_labels = arguments.take("filter_labels")?;
    let delivery = delivery(arguments)?;
    let place = arguments.place_of("overwrite").clone();
    let storage = LogStorage { output_filename, overwrite, include_timestamp, filter_labels, delivery, place };
    Some(reader.store(Storage::Log(storage)))
}

/// Whether a storage writes the same file, and one of both replaces it.
fn shares(other: &Storage, path: &str, overwrite: bool) -> bool {
    match other {
        Storage::Log(other) => {
            let is_same = other.output_filename.as_deref().is_some_and(|other| parts(other).eq(parts(path)));
            is_same && (overwrite || other.overwrite)
        }
        _ => false,
    }
}

/// The parts of a path, by which `a/b`, `./a/b` and `a//b` are the same.
fn parts(path: &str) -> impl Iterator<Item = Component<'_>> {
    Path::new(path).components().filter(|part| *part != Component::CurDir)
}

fn filter_storage(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let storages = arguments.take("storages")?;
    let filter: Option<Vec<String>> = arguments.take("filter")?;
    let wrong = filter.iter().flatten().find_map(|name| {
        let is_of_name = |found: char| found.is_ascii_alphanumeric() || "_:*?".contains(found);
        name.chars().find(|found| !is_of_name(*found)).map(|found| (name, found))
    });
    if let Some((name, found)) = wrong {
        reader.error_with_help(
            arguments.place_of("filter"),
            format!("`filter` of `!FilterStorage` has names of metrics, and none has {found:?} as {name:?} does"),
            "a name has letters, digits, _ and :, and here * for any characters and ? for one".into(),
        );
        return None;
    }
    let labels = arguments.take::<Option<Pairs<String>>>("labels")?.unwrap_or_default().0;
    let storage = FilterStorage {
        storages,
        filter,
        labels,
        filter_place: arguments.place_of("filter").clone(),
        labels_place: arguments.place_of("labels").clone(),
    };
    Some(reader.store(Storage::Filter(storage)))
}
