//! Label generators, and groups of arguments with a tag of their own.

use wca_pattern::{Pattern, Substitution};

use super::control::{CONTROL, control};
use super::protect::PROTECT;
use super::rails::RAIL;
use super::{Definition, Kind, Parameter, Shape};
use crate::model::{AllocationConfiguration, LabelGenerator, Role, Ssl};
use crate::reading::{Arguments, Made, Reader};

/// The tag that may stand before the name of a cgroup driver.
pub(super) const CGROUP_DRIVER: &str = "CgroupDriverType";

/// What makes the cgroups of pods.
pub(super) const CGROUP_DRIVERS: &[&str] = &["cgroupfs", "systemd"];

const READABLE: Kind = Kind::Path { absolute: true, readable: true };

pub(super) const VALUES: &[Definition] = &[
    Definition {
        tag: "TaskLabelRegexGenerator",
        role: Role::LabelGenerator,
        help: "Makes a label from another one by replacing what matches a pattern.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::required(
                    "pattern",
                    Kind::Pattern(None),
                    "Regular expression of Python; every match is replaced.",
                ),
                Parameter::required("repl", Kind::Text, "What replaces a match; \\1 and \\g<name> are groups."),
                Parameter::with_default("source", Kind::Text, "task_name", "The label that is read."),
            ],
            regex_generator,
        ),
    },
    Definition {
        tag: "TaskLabelResourceGenerator",
        role: Role::LabelGenerator,
        help: "Makes a label from a resource of the task, unknown where the task has none of that name.",
        available: true,
        shape: Shape::Arguments(
            &[Parameter::required("resource_name", Kind::Text, "The resource of which the value is taken.")],
            resource_generator,
        ),
    },
    Definition {
        tag: "AllocationConfiguration",
        role: Role::Value,
        help: "How allocations are converted to what the kernel takes.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::optional(
                    "cpu_quota_period",
                    Kind::Integer(1_000, 1_000_000),
                    "Period of CPU quotas in microseconds; null is the one that the cgroup has.",
                ),
                Parameter::with_default(
                    "cpu_shares_unit",
                    Kind::Integer(1_000, 1_000_000),
                    "1000",
                    "CPU shares that an allocation of 1.0 stands for.",
                ),
                Parameter::optional(
                    "default_rdt_l3",
                    Kind::Text,
                    "Cache of tasks without an allocation, such as L3:0=fffff;1=fffff; null leaves it alone.",
                ),
                Parameter::optional(
                    "default_rdt_mb",
                    Kind::Text,
                    "Memory bandwidth of tasks without an allocation, such as MB:0=100;1=100; null leaves it alone.",
                ),
            ],
            allocation_configuration,
        ),
    },
    Definition {
        tag: "AllocationControl",
        role: Role::Value,
        help: "How the changes are made that the allocator of a runner which is a component asks for; !AllocationRunner has the same arguments itself.",
        available: true,
        shape: Shape::Arguments(&CONTROL, allocation_control),
    },
    RAIL,
    PROTECT,
    Definition {
        tag: "SSL",
        role: Role::Value,
        help: "Certificates of a TLS connection, and how that of the server is judged.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::with_default(
                    "server_verify",
                    Kind::Either(&[Kind::Bool, READABLE]),
                    "true",
                    "Whether the server's certificate is checked, or the file with the authority that signs it.",
                ),
                Parameter::optional("client_cert_path", READABLE, "File with the certificate that is shown."),
                Parameter::optional(
                    "client_key_path",
                    READABLE,
                    "File with the key; null is the file of the certificate.",
                ),
            ],
            ssl,
        ),
    },
    Definition {
        tag: CGROUP_DRIVER,
        role: Role::Value,
        help: "What makes the cgroups of pods; the name alone says the same.",
        available: true,
        shape: Shape::OneOf(CGROUP_DRIVERS),
    },
    Definition {
        tag: "NUMAAlgorithm",
        role: Role::Value,
        help: "How NUMAAllocator chooses a node; the name alone says the same, and minimize_migration is minimize_migrations.",
        available: true,
        shape: Shape::OneOf(&["fill_biggest_first", "minimize_migrations", "minimize_migration"]),
    },
    Definition {
        tag: "DefaultDerivedMetricsGenerator",
        role: Role::Value,
        help: "Computes ips, ipc and cache_hit_ratio; it is on where enable_derived_metrics is true.",
        available: true,
        shape: Shape::Unwritten,
    },
    Definition {
        tag: "UncoreDerivedMetricsGenerator",
        role: Role::Value,
        help: "Computes bandwidths from uncore counters; it is on where enable_derived_metrics is true.",
        available: true,
        shape: Shape::Unwritten,
    },
];

fn regex_generator(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let (pattern, repl): (String, String) = (arguments.take("pattern")?, arguments.take("repl")?);
    let checked = Pattern::new(&pattern).and_then(|pattern| Substitution::new(pattern, &repl));
    if let Err(error) = checked {
        let what = format!("`repl` of `!TaskLabelRegexGenerator` must be what can replace a match, but: {error}");
        reader.error(arguments.place_of("repl"), what);
        return None;
    }
    Some(Made::Label(LabelGenerator::Regex { pattern, repl, source: arguments.take("source")? }))
}

fn resource_generator(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    Some(Made::Label(LabelGenerator::Resource { resource_name: arguments.take("resource_name")? }))
}

fn allocation_configuration(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    Some(Made::AllocationConfiguration(AllocationConfiguration {
        cpu_quota_period: arguments.take("cpu_quota_period")?,
        cpu_shares_unit: arguments.take("cpu_shares_unit")?,
        default_rdt_l3: arguments.take("default_rdt_l3")?,
        default_rdt_mb: arguments.take("default_rdt_mb")?,
    }))
}

fn allocation_control(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    control(reader, arguments).map(|control| Made::Control(Box::new(control)))
}

fn ssl(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let ssl = Ssl {
        server_verify: arguments.take("server_verify")?,
        client_cert_path: arguments.take("client_cert_path")?,
        client_key_path: arguments.take("client_key_path")?,
    };
    if ssl.client_key_path.is_some() && ssl.client_cert_path.is_none() {
        reader.error_with_help(
            arguments.place_of("client_key_path"),
            "`client_key_path` of `!SSL` is the key of no certificate".into(),
            "name the certificate in `client_cert_path`".into(),
        );
        return None;
    }
    Some(Made::Ssl(ssl))
}
