//! Names of modules: those that operators write, and those of the program's parts.

/// Modules of the Python agent, and the parts of this program that do their work.
const OLD: &[(&str, &[&str])] = &[
    ("wca.main", &["wca::", "wca_warden"]),
    ("wca.runners", &["wca_agent"]),
    ("wca.storage", &["wca_storage", "wca_agent::storages"]),
    ("wca.nodes", &["wca_node", "wca_agent::roster", "wca_agent::missing"]),
    ("wca.mesos", &["wca_node"]),
    ("wca.kubernetes", &["wca_node"]),
    ("wca.extra.static_node", &["wca_node", "wca_agent::missing"]),
    ("wca.containers", &["wca_kernel"]),
    ("wca.cgroups", &["wca_kernel"]),
    ("wca.resctrl", &["wca_kernel"]),
    ("wca.perf", &["wca_kernel"]),
    ("wca.platforms", &["wca_kernel"]),
    ("wca.detectors", &["wca_sandbox"]),
    ("wca.allocators", &["wca_sandbox"]),
    ("wca.components", &["wca_agent::load", "wca_sandbox"]),
];

/// The beginnings of targets of the parts that a module stands for.
pub(crate) fn targets_of(module: &str) -> Vec<String> {
    let old = OLD
        .iter()
        .find(|(name, _)| module == *name || module.strip_prefix(*name).is_some_and(|rest| rest.starts_with('.')));
    if let Some((_, targets)) = old {
        return targets.iter().map(|target| (*target).to_owned()).collect();
    }
    match module.strip_prefix("wca.") {
        // `wca.agent.run` is `wca_agent::run`.
        Some(rest) => vec![format!("wca_{}", rest.replace('.', "::"))],
        None => vec![module.replace('.', "::")],
    }
}

/// The module of a target: `wca.agent` for `wca_agent::run`.
pub(crate) fn module_of(target: &str) -> String {
    target.split("::").next().unwrap_or(target).replacen("wca_", "wca.", 1)
}

/// Whether two names mean the same policy: `http_storage` is `HTTPStorage`.
pub(crate) fn is_same_policy(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("wca", &["wca"])]
    #[case("wca.storage", &["wca_storage", "wca_agent::storages"])]
    #[case("wca.runners.measurement", &["wca_agent"])]
    #[case("wca.main", &["wca::", "wca_warden"])]
    #[case("wca.agent.run", &["wca_agent::run"])]
    #[case("hyper.client", &["hyper::client"])]
    #[case("", &[""])]
    fn targets(#[case] module: &str, #[case] expected: &[&str]) {
        assert_eq!(targets_of(module), expected);
    }

    #[rstest]
    #[case("wca_agent::run", "wca.agent")]
    #[case("wca", "wca")]
    #[case("hyper::client", "hyper")]
    fn modules(#[case] target: &str, #[case] expected: &str) {
        assert_eq!(module_of(target), expected);
    }

    #[test]
    fn a_policy_goes_by_its_name_in_either_spelling() {
        assert!(is_same_policy("http_storage", "HTTPStorage"));
        assert!(!is_same_policy("http_storage", "HTTPStorage-2"));
    }
}
