//! Names of monitoring groups that are ours, and of control groups that are a task's own.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

const PREFIX: &str = "wca-";

/// Hexadecimal digits of the digest at the end.
const DIGITS: usize = 16;

/// How much of a cgroup's path stands in the name. A name has at most 255 bytes (NAME_MAX).
const READABLE: usize = 200;

/// Name of the group of a task, of either sort: `wca-`, the end of its cgroup's path for the reader, and 64 bits of a SHA-256 over
/// the whole path and the identity of this life of the cgroup. The next process that measures the task finds its group by
/// it, and a cgroup that is made again has another.
pub(crate) fn group_name(cgroup: &str, identity: u64) -> String {
    let path = cgroup.trim_matches('/');
    let mut start = path.len().saturating_sub(READABLE);
    while !path.is_char_boundary(start) {
        start += 1;
    }
    let readable = path[start..].chars().map(|one| match one {
        '/' => '-',
        one if one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-') => one,
        _ => '_',
    });
    let mut name = String::from(PREFIX);
    name.extend(readable);
    name.push('-');
    let digest = Sha256::new().chain_update(path).chain_update(identity.to_le_bytes()).finalize();
    for byte in digest.iter().take(DIGITS / 2) {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// Whether a name has the form of [`group_name`].
pub(crate) fn is_ours(name: &str) -> bool {
    let Some((readable, digest)) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')) else {
        return false;
    };
    !readable.is_empty()
        && digest.len() == DIGITS
        && digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/demo/busy", "wca-demo-busy-")]
    #[case("demo/busy", "wca-demo-busy-")]
    #[case("/system.slice/cri-containerd:1 2\u{e9}\u{1b}.scope", "wca-system.slice-cri-containerd_1_2__.scope-")]
    fn a_name_can_be_read(#[case] cgroup: &str, #[case] expected: &str) {
        let name = group_name(cgroup, 7);
        assert_eq!(name.strip_prefix(expected).map(str::len), Some(DIGITS), "{name}");
        assert!(is_ours(&name));
    }

    #[test]
    fn names_are_those_of_one_life_of_one_cgroup() {
        let name = group_name("/a/b", 1);
        assert_eq!(name, "wca-a-b-dd2037d056adfa25", "another version of the program finds it too");
        assert_eq!(name, group_name("a/b", 1));
        for other in [group_name("/a/b", 2), group_name("/a-b", 1), group_name("/a_b", 1)] {
            assert_ne!(name, other);
        }
    }

    #[test]
    fn a_long_path_has_a_name_that_the_kernel_takes() {
        let long = "\u{e9}/".repeat(300);
        let name = group_name(&long, 1);
        assert!(name.len() <= 255 && is_ours(&name), "{name}");
        assert_ne!(name, group_name(&format!("x/{long}"), 1));
    }

    #[rstest]
    #[case("wca-")]
    #[case("wca--0123456789abcdef")]
    #[case("wca-mine")]
    #[case("wca-a-0123456789ABCDEF")]
    #[case("wca-a-0123456789abcde")]
    #[case("other-a-0123456789abcdef")]
    #[case("")]
    fn other_names_are_somebody_elses(#[case] name: &str) {
        assert!(!is_ours(name));
    }
}
