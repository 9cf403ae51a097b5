//! Nodes of this program.

use super::values::{CGROUP_DRIVER, CGROUP_DRIVERS};
use super::{Definition, Kind, Parameter, Shape};
use crate::model::{CgroupDriver, CgroupNode, KubernetesNode, MesosNode, NodeChoice, Role, StaticNode};
use crate::reading::{Arguments, Made, Pairs, Reader, Seconds};

const ANY_PATH: Kind = Kind::Path { absolute: false, readable: false };
const GLOB: Kind = Kind::Path { absolute: true, readable: false };
const READABLE: Kind = Kind::Path { absolute: true, readable: true };
const LABELS: Kind = Kind::Labels(&Kind::Text);

pub(super) const NODES: &[Definition] = &[
    Definition {
        tag: "CgroupNode",
        role: Role::Node,
        help: "Every cgroup with processes is a task, on any machine, without an orchestrator.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::with_default(
                    "paths",
                    Kind::List(&GLOB),
                    "['/**']",
                    "Globs of the cgroups that are tasks, such as /kubepods.slice/**.",
                ),
                Parameter::with_default(
                    "exclude",
                    Kind::List(&GLOB),
                    "[]",
                    "Globs of cgroups that are no tasks although a path matches them.",
                ),
                Parameter::with_default("labels", LABELS, "{}", "Labels of every task."),
            ],
            cgroup_node,
        ),
    },
    Definition {
        tag: "StaticNode",
        role: Role::Node,
        help: "The tasks are cgroups that are named here, as far as they exist.",
        available: true,
        shape: Shape::Arguments(
            &[
                Parameter::required(
                    "tasks",
                    Kind::List(&ANY_PATH),
                    "Cgroups that are tasks, from the root of each hierarchy.",
                ),
                Parameter::with_default(
                    "require_pids",
                    Kind::Bool,
                    "false",
                    "Whether a cgroup without processes is left out.",
                ),
                Parameter::with_default("default_labels", LABELS, "{}", "Labels of every task."),
                Parameter::with_default(
                    "default_resources",
                    Kind::Map(&Kind::Either(&[Kind::Text, Kind::Number])),
                    "{}",
                    "Resources of every task, such as cpus and mem.",
                ),
                Parameter::optional("tasks_labels", Kind::Map(&LABELS), "More labels, by the name of the task."),
                Parameter::optional("directory", ANY_PATH, "A cgroup of which every child is a task too."),
            ],
            static_node,
        ),
    },
    Definition {
        tag: "MesosNode",
        role: Role::Node,
        help: "The tasks are those that the Mesos agent of this machine runs.",
        available: false,
        shape: Shape::Arguments(
            &[
                Parameter::with_default(
                    "mesos_agent_endpoint",
                    Kind::Url,
                    "https://127.0.0.1:5051",
                    "Where the Mesos agent answers.",
                ),
                Parameter::with_default(
                    "timeout",
                    Kind::Numeric(1.0, 60.0),
                    "5.0",
                    "Seconds that an answer of the agent may take.",
                ),
                Parameter::optional("ssl", Kind::Only("SSL"), "Certificates; null is those of the machine."),
            ],
            mesos_node,
        ),
    },
    Definition {
        tag: "KubernetesNode",
        role: Role::Node,
        help: "The tasks are the pods of this machine, as the API server or the kubelet knows them.",
        available: false,
        shape: Shape::Arguments(
            &[
                Parameter::with_default(
                    "cgroup_driver",
                    Kind::OneOf(CGROUP_DRIVERS, Some(CGROUP_DRIVER)),
                    "cgroupfs",
                    "What makes the cgroups of pods, which tells their paths.",
                ),
                Parameter::optional("ssl", Kind::Only("SSL"), "Certificates towards the kubelet."),
                Parameter::with_default(
                    "client_token_path",
                    READABLE,
                    "/var/run/secrets/kubernetes.io/serviceaccount/token",
                    "File with the token that the API server wants.",
                )
                .or_null(),
                Parameter::with_default(
                    "server_cert_ca_path",
                    READABLE,
                    "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
                    "File with the authority behind the API server's certificate.",
                )
                .or_null(),
                Parameter::with_default(
                    "kubelet_enabled",
                    Kind::Bool,
                    "false",
                    "Whether the kubelet is asked, instead of the API server.",
                ),
                Parameter::with_default(
                    "kubelet_endpoint",
                    Kind::Url,
                    "https://127.0.0.1:10250",
                    "Where the kubelet answers.",
                ),
                Parameter::optional("kubeapi_host", Kind::Text, "Name or address of the API server."),
                Parameter::optional("kubeapi_port", Kind::Text, "Port of the API server, as a text for !Env's sake."),
                Parameter::optional("node_ip", Kind::Text, "Address under which pods name this machine."),
                Parameter::with_default("timeout", Kind::Numeric(1.0, 60.0), "5", "Seconds that an answer may take."),
                Parameter::with_default(
                    "monitored_namespaces",
                    Kind::List(&Kind::Text),
                    "[default]",
                    "Namespaces whose pods are tasks.",
                ),
            ],
            kubernetes_node,
        ),
    },
];

fn cgroup_node(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    Some(Made::Node(NodeChoice::Cgroup(CgroupNode {
        paths: arguments.take("paths")?,
        exclude: arguments.take("exclude")?,
        labels: arguments.take::<Pairs<String>>("labels")?.0,
    })))
}

fn static_node(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let tasks_labels: Option<Pairs<Pairs<String>>> = arguments.take("tasks_labels")?;
    Some(Made::Node(NodeChoice::Static(StaticNode {
        tasks: arguments.take("tasks")?,
        require_pids: arguments.take("require_pids")?,
        default_labels: arguments.take::<Pairs<String>>("default_labels")?.0,
        default_resources: arguments.take::<Pairs<_>>("default_resources")?.0,
        tasks_labels: tasks_labels.unwrap_or_default().0.into_iter().map(|(task, labels)| (task, labels.0)).collect(),
        directory: arguments.take("directory")?,
    })))
}

fn mesos_node(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    Some(Made::Node(NodeChoice::Mesos(MesosNode {
        mesos_agent_endpoint: arguments.take("mesos_agent_endpoint")?,
        timeout: arguments.take::<Seconds>("timeout")?.0,
        ssl: arguments.take("ssl")?,
    })))
}

fn kubernetes_node(_: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let driver: String = arguments.take("cgroup_driver")?;
    Some(Made::Node(NodeChoice::Kubernetes(KubernetesNode {
        cgroup_driver: if driver == "systemd" { CgroupDriver::Systemd } else { CgroupDriver::Cgroupfs },
        ssl: arguments.take("ssl")?,
        client_token_path: arguments.take("client_token_path")?,
        server_cert_ca_path: arguments.take("server_cert_ca_path")?,
        kubelet_enabled: arguments.take("kubelet_enabled")?,
        kubelet_endpoint: arguments.take("kubelet_endpoint")?,
        kubeapi_host: arguments.take("kubeapi_host")?,
        kubeapi_port: arguments.take("kubeapi_port")?,
        node_ip: arguments.take("node_ip")?,
        timeout: arguments.take::<Seconds>("timeout")?.0,
        monitored_namespaces: arguments.take("monitored_namespaces")?,
    })))
}
