//! Components by their tags.

use std::sync::Arc;

use super::arguments::Owner;
use super::check::python_object;
use super::environment::ENV;
use super::spot::Spot;
use super::suggest::{did_you_mean, nearest};
use super::{Made, Reader};
use crate::definitions::{Definition, Shape, definition, definitions};
use crate::model::Role;
use crate::node::{Content, Entry, Node};

/// Which component is wanted.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    /// One of this role.
    Role(Role),
    /// The one with this tag.
    Only(&'static str),
}

impl Wanted {
    fn accepts(self, definition: &Definition) -> bool {
        match self {
            Self::Role(role) => definition.role == role,
            Self::Only(tag) => definition.tag == tag,
        }
    }

    fn phrase(self) -> String {
        match self {
            Self::Role(role) => role.phrase().into(),
            Self::Only(tag) => format!("`!{tag}`"),
        }
    }
}

impl Reader<'_> {
    /// The component of a node; of an alias, that of its anchor.
    pub(super) fn component(&mut self, node: &Arc<Node>, wanted: Wanted, spot: &Spot) -> Option<Made> {
        let Some(tag) = node.tag.as_deref().filter(|tag| *tag != ENV) else {
            self.no_tag(node, wanted, spot);
            return None;
        };
        if python_object(tag).is_some() {
            self.report_tag(node, tag, "", spot);
            return None;
        }
        match (definition(tag), wanted) {
            (Some(definition), wanted) if wanted.accepts(definition) => self.native(node, definition),
            (Some(definition), wanted) => {
                let what = format!("`!{tag}` is {}; {} is expected here", definition.role.phrase(), wanted.phrase());
                self.report(spot.place_of(node), what, self.available(wanted));
                None
            }
            (None, Wanted::Role(role)) if self.may_be_guest(tag) => self.guest(node, tag, role, spot),
            (None, wanted) => {
                self.unknown_tag(node, tag, wanted, spot);
                None
            }
        }
    }

    fn native(&mut self, node: &Arc<Node>, definition: &'static Definition) -> Option<Made> {
        if let Some((_, made)) = self.made.get(&Arc::as_ptr(node)) {
            return made.clone();
        }
        let made = self.make(node, definition);
        if !definition.available {
            let what = format!("`!{}`: this version of WCA does not have it yet", definition.tag);
            self.report(&node.place, what, self.available(Wanted::Role(definition.role)));
        }
        self.made.insert(Arc::as_ptr(node), (Arc::clone(node), made.clone()));
        made
    }

    fn make(&mut self, node: &Node, definition: &'static Definition) -> Option<Made> {
        let Shape::Arguments(parameters, make) = definition.shape else { return None };
        let entries = self.entries(node, definition.tag)?;
        let (entries, also) = self.with_gathered_measurement(entries, definition, &node.place);
        let owner = Owner { tag: definition.tag, place: &node.place, parameters, also };
        let mut arguments = self.arguments(&owner, &entries);
        make(self, &mut arguments)
    }

    /// The arguments behind a tag.
    pub(super) fn entries(&mut self, node: &Node, tag: &str) -> Option<Vec<Entry>> {
        match &node.content {
            Content::Map(entries) => Some(entries.clone()),
            Content::Scalar(scalar) => {
                if !scalar.text.is_empty() {
                    self.note(&node.place, format!("{} after `!{tag}` is ignored", scalar.describe()));
                }
                Some(Vec::new())
            }
            Content::List(_) => {
                let help = format!("write `!{tag}` and, below it, a line `NAME: VALUE` for each");
                self.error_with_help(&node.place, format!("`!{tag}` takes named arguments, not a list"), help);
                None
            }
        }
    }

    fn no_tag(&mut self, node: &Node, wanted: Wanted, spot: &Spot) {
        let found = match node.content {
            Content::Map(_) => "this mapping has no tag".into(),
            _ => format!("this is {}", node.describe()),
        };
        let what = format!("{spot} must be {}, but {found}", wanted.phrase());
        let help = match (&node.content, wanted) {
            (Content::Scalar(scalar), _) if definition(&scalar.text).is_some() || self.is_known_guest(&scalar.text) => {
                Some(format!("components have an exclamation mark: `!{}`", scalar.text))
            }
            (Content::Map(_), Wanted::Only(tag)) => Some(format!("write `!{tag}` before the mapping")),
            (_, wanted) => self.available(wanted),
        };
        self.report(spot.place_of(node), what, help);
    }

    fn unknown_tag(&mut self, node: &Node, tag: &str, wanted: Wanted, spot: &Spot) {
        let known: Vec<&str> = definitions().map(|definition| definition.tag).chain(self.guest_tags(None)).collect();
        let near = match wanted {
            Wanted::Role(_) => did_you_mean(&nearest(tag, known), "!"),
            Wanted::Only(_) => None,
        };
        let own = match wanted {
            Wanted::Role(role) => own_component(tag, role),
            Wanted::Only(_) => None,
        };
        let help = [near, self.available(wanted)].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let help = own.map_or_else(|| help.clone(), |own| format!("{help}\n{own}"));
        self.error_with_help(spot.place_of(node), format!("there is no component `!{tag}`"), help);
    }

    /// What could stand here, for a help line.
    pub(super) fn available(&self, wanted: Wanted) -> Option<String> {
        let role = match wanted {
            Wanted::Role(role) => role,
            Wanted::Only(tag) => return Some(format!("only `!{tag}` can stand here")),
        };
        let suitable = definitions().filter(|definition| definition.role == role && definition.available);
        let mut tags: Vec<_> = suitable.map(|definition| format!("`!{}`", definition.tag)).collect();
        tags.extend(self.guest_tags(Some(role)).map(|tag| format!("`!{tag}`")));
        if tags.is_empty() {
            return Some(format!("there are no {} here; name one in `components`, with its path", role.plural()));
        }
        Some(format!("{} are: {}", role.plural(), tags.join(", ")))
    }
}

/// How a component that somebody has built is made known, where one can stand.
fn own_component(tag: &str, role: Role) -> Option<String> {
    let is_name = tag.chars().all(|character| character.is_alphanumeric() || character == '_');
    (role.can_be_guest() && is_name).then(|| {
        format!(
            "one of your own is registered with `-r {tag}=X.wasm`, or in the file with `components: {{{tag}: {{path: X.wasm}}}}`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;
    use crate::surroundings::Surroundings;

    /// Each component with all of its arguments, so that what is defined is also what is read.
    const ALL: [&str; 13] = [
        "!MeasurementRunner {node: !CgroupNode , metrics_storage: !LogStorage , interval: null, rdt_enabled: true, \
         gather_hw_mm_topology: null, extra_labels: {a: b}, event_names: [a], perf_aggregate_cpus: false, \
         perf_fd_budget: 100, perf_window: [1, 2.5], enable_derived_metrics: true, uncore_event_names: [a, [b]], \
         task_label_generators: {a: !TaskLabelResourceGenerator {resource_name: a}}, \
         allocation_configuration: !AllocationConfiguration , wss_reset_cycles: 1, wss_stable_cycles: -1, \
         wss_membw_threshold: 1.0, include_optional_labels: true, zoneinfo: (a)(b), vmstat: a, sched: true, \
         idle_task_interval: 0, metric_names: original}",
        "!DetectionRunner {measurement_runner: !MeasurementRunner {node: !CgroupNode }, detector: !G , \
         anomalies_storage: !G }",
        "!AllocationRunner {measurement_runner: !MeasurementRunner {node: !CgroupNode }, allocator: !G , \
         anomalies_storage: !G , allocations_storage: !LogStorage , rdt_mb_control_required: true, \
         rdt_cache_control_required: true, remove_all_resctrl_groups: true}",
        "!CgroupNode {paths: [/a], exclude: [/b], labels: {a: b}}",
        "!StaticNode {tasks: [a], require_pids: true, default_labels: {a: b}, default_resources: {a: 1, b: 1.5, c: d}, \
         tasks_labels: {a: {b: c}}, directory: d}",
        "!MesosNode {mesos_agent_endpoint: 'http://a', timeout: 1, ssl: !SSL }",
        "!KubernetesNode {cgroup_driver: !CgroupDriverType systemd, ssl: !SSL , client_token_path: null, \
         server_cert_ca_path: /a, kubelet_enabled: true, kubelet_endpoint: 'http://a', kubeapi_host: a, \
         kubeapi_port: '1', node_ip: a, timeout: 60, monitored_namespaces: [a]}",
        "!LogStorage {output_filename: a, overwrite: true, include_timestamp: true, filter_labels: [a]}",
        "!FilterStorage {storages: [!LogStorage ], filter: [], labels: {a: b}}",
        "!PrometheusStorage {listen: '[::]:9100', path: /m, certificate_path: /a, key_path: /b, username: c, password_path: /d, \
         token_path: /e}",
        "!KafkaStorage {topic: a, brokers_ips: ['a:1'], max_timeout_in_seconds: 0, extra_config: {a: b}, ssl: !SSL }",
        "!SSL {server_verify: /a, client_cert_path: /a, client_key_path: /a}",
        "!TaskLabelRegexGenerator {pattern: a, repl: b, source: c}",
    ];

    fn made(yaml: &str) -> (Option<Made>, Vec<String>) {
        let around = Surroundings {
            source: "c.yaml",
            environment: &|_| None,
            readable: &|_| Ok(()),
            guests: &[],
            other_guests: true,
        };
        let mut reader = Reader::new(&around);
        let node = parse(yaml, "c.yaml").unwrap();
        let tag = definition(node.tag.as_deref().unwrap()).unwrap().tag;
        let made = reader.component(&node, Wanted::Only(tag), &Spot::new("x", None, None));
        (made, reader.errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_defined_is_what_is_read() {
        for yaml in ALL {
            let (made, mut errors) = made(yaml);
            errors.retain(|error| !error.contains("does not have it yet"));
            assert!(made.is_some() && errors.is_empty(), "{yaml}: {errors:?}");
        }
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for definition in definitions().filter(|definition| matches!(definition.shape, Shape::Arguments(..))) {
            let (_, errors) = made(&format!("!{} ", definition.tag));
            for error in errors {
                let expected = ["` needs `", "does not have it yet"];
                assert!(expected.iter().any(|part| error.contains(part)), "{}: {error}", definition.tag);
            }
        }
    }
}
