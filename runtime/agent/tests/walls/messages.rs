//! What the warden refuses.

use serde_json::json;

use crate::harness::{Warden, everybody, skipped};

/// Each message of `examples/probe/messages.rs`, in its order, with how its answer begins.
const ANSWERS: &[(&str, &str)] = &[
    ("tree before hello", "refused: out of order: the first message is Hello"),
    ("sample before hello", "refused: out of order: the first message is Hello"),
    (
        "hello of another version",
        "refused: the agent speaks version 2 of the message set, the warden 1: the program was",
    ),
    ("hello twice", "refused: out of order: Hello comes once"),
    ("sample before roster", "refused: out of order: Sample comes after Roster"),
    ("roster without a slash", "refused: \"a\" is no path of a cgroup: it does not begin with `/`"),
    ("roster that leads elsewhere", "refused: \"/a/../../etc\" is no path of a cgroup: it leads elsewhere"),
    ("roster with a newline", "refused: \"/a\\nb\" is no path of a cgroup: it holds a control character"),
    ("roster with a NUL", "refused: \"/a\\0b\" is no path of a cgroup: it holds a control character"),
    ("roster with a long path", "refused: oversized message: a cgroup path of 5001 bytes, at most 4096 are taken"),
    ("roster with one cgroup twice", "refused: two tasks of the roster have the cgroup \"/a\""),
    ("roster with many tasks", "refused: oversized message: 65537 tasks in a roster, at most 65536 are taken"),
    ("roster with many labels", "refused: oversized message: 1000 labels of a task, at most 256 are taken"),
    ("roster with no processor", "refused: 4294967295 is no processor: they have numbers up to 65535"),
    ("files of no kubelet", "refused: nobody allocates here, so that the kubelet's state is nobody's business"),
    ("many requests", "refused: oversized message: 262145 requests at once, at most 262144 are taken"),
    ("requests of another policy", "refused: policy 1: the operator named 1, counted from 0"),
    ("release of another policy", "refused: policy 4294967295: the operator named 1, counted from 0"),
    ("quarantine of another policy", "refused: policy 1: the operator named 1, counted from 0"),
    ("another life of another policy", "refused: policy 1: the operator named 1, counted from 0"),
    ("explain of no task", "refused: task 18446744073709551615: the last roster has none with this key"),
    ("gaps of no task", "refused: task 18446744073709551615: the last roster has none with this key"),
    ("open of no file", "refused: file 4294967295: the operator named 1, counted from 0"),
    ("compile of no file", "refused: file 5: the operator named 1, counted from 0"),
    ("one byte", "refused: malformed message: no header"),
    ("no header", "refused: malformed message: no header"),
    ("another form", "refused: malformed message: neither inline nor in sealed memory"),
    ("nothing after the header", "refused: malformed message: "),
    ("no request", "refused: malformed message: "),
    ("more than a request", "refused: malformed message: 1 bytes too many"),
    ("a roster of many and none", "refused: malformed message: "),
    ("sealed without memory", "refused: malformed message: no sealed memory beside it"),
    ("sealed with open memory", "refused: malformed message: the descriptor is not sealed memory"),
    (
        "sealed with large memory",
        "refused: oversized message: 16777217 bytes of sealed memory, at most 16777216 are taken",
    ),
    ("sealed with junk", "refused: malformed message: "),
    ("large", "refused: oversized message: more than 32768 bytes outside of sealed memory"),
    ("many descriptors", "refused: malformed message: "),
    ("sample", "answered: Sample { timestamp: "),
    ("apply", "answered: Outcomes([Outcome { task: TaskKey(1), kind: CpuQuota, domain: None, fate: Shadowed }, "),
    ("explain", "answered: Explained([])"),
    ("gaps", "answered: Gaps(["),
];

#[test]
fn every_wrong_message_is_refused_and_every_right_one_answered_after_it() {
    for who in everybody() {
        let (lines, status, log) = Warden::start(who, &["messages"], json!({"files": ["/etc/passwd"]})).rest();
        assert!(status.success(), "{who:?}: {status}: {log}");
        let found: Vec<(&str, &str)> =
            lines.iter().filter_map(|line| Some((line["message"].as_str()?, line["reply"].as_str()?))).collect();
        for ((message, reply), (name, begin)) in found.iter().zip(ANSWERS) {
            assert_eq!(message, name);
            assert!(reply.starts_with(begin), "{who:?}: {name}: {reply}");
        }
        if found.len() == ANSWERS.len() - 2 {
            skipped("no cgroup of this machine holds a process, so that nothing could be asked for");
        } else {
            assert_eq!(found.len(), ANSWERS.len());
        }
    }
}

#[test]
fn an_agent_that_sends_nothing_but_wrong_messages_is_ended_and_started_again() {
    for who in everybody() {
        let (lines, status, log) = Warden::start(who, &["flood"], json!({})).rest();
        assert!(status.success(), "{who:?}: {status}: {log}");
        let ticks: Vec<u64> = lines.iter().filter_map(|line| line["ticks"].as_u64()).collect();
        assert_eq!(ticks, [0, 1], "{who:?}");
        assert!(!lines.contains(&json!({"survived": true})));
        assert!(
            log.contains("the agent sent 1000 messages in a row that were refused, last: malformed message"),
            "{log}"
        );
        assert!(log.contains("the agent has been ended by SIGKILL after"), "{log}");
    }
}
