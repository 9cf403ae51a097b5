//! Nodes: how tasks are found.

use std::time::Duration;

use super::Ssl;

/// How tasks are found.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeChoice {
    /// `StaticNode`
    Static(StaticNode),
    /// `CgroupNode`
    Cgroup(CgroupNode),
    /// `MesosNode`
    Mesos(MesosNode),
    /// `KubernetesNode`
    Kubernetes(KubernetesNode),
}

/// Tasks that the file names.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticNode {
    /// Cgroups below the root of each hierarchy, each a task.
    pub tasks: Vec<String>,
    /// Whether a cgroup without processes is left out.
    pub require_pids: bool,
    /// Labels of every task.
    pub default_labels: Vec<(String, String)>,
    /// Resources of every task.
    pub default_resources: Vec<(String, ResourceValue)>,
    /// Labels by the name of the task.
    pub tasks_labels: Vec<(String, Vec<(String, String)>)>,
    /// A cgroup of which every child is a task too.
    pub directory: Option<String>,
}

/// A resource of a task, as written.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
}

/// Every cgroup that has processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupNode {
    /// Which cgroups are tasks: globs from the root of the hierarchy.
    pub paths: Vec<String>,
    /// Which of these are left out: globs of the same form.
    pub exclude: Vec<String>,
    /// Labels of every task.
    pub labels: Vec<(String, String)>,
}

/// Tasks that a Mesos agent runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MesosNode {
    /// URL of the agent.
    pub mesos_agent_endpoint: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Certificates and checks; `None`: those of the machine.
    pub ssl: Option<Ssl>,
}

/// Who makes the cgroups of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupDriver {
    /// The kubelet itself.
    Cgroupfs,
    /// systemd, on behalf of the kubelet.
    Systemd,
}

/// Pods of a machine of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesNode {
    /// Who makes the cgroups.
    pub cgroup_driver: CgroupDriver,
    /// Certificates and checks towards the kubelet.
    pub ssl: Option<Ssl>,
    /// File with the token for the API server.
    pub client_token_path: Option<String>,
    /// File with the authority that signs the API server's certificate.
    pub server_cert_ca_path: Option<String>,
    /// Whether the kubelet is asked, instead of the API server.
    pub kubelet_enabled: bool,
    /// URL of the kubelet.
    pub kubelet_endpoint: String,
    /// Host name or address of the API server.
    pub kubeapi_host: Option<String>,
    /// Port of the API server, a text so that `!Env` can give it.
    pub kubeapi_port: Option<String>,
    /// Address of this machine as pods report it.
    pub node_ip: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Namespaces whose pods are tasks.
    pub monitored_namespaces: Vec<String>,
}
