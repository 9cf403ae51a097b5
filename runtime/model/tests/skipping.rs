//! No test passes for want of a real thing where that thing is required.
#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "../../../tests/skipped.rs"]
mod skipped;

use std::process::Command;

#[test]
#[ignore = "the other test runs it"]
fn lacks_a_broker() {
    skipped::missing("kafka", "there is no broker", "testbed/kafka/up --fetch gets one");
}

#[test]
fn what_is_required_and_missing_ends_the_test_and_what_is_not_required_is_said() {
    let cases = [(None, true), (Some(""), true), (Some("prometheus,openssl"), true)];
    let required = ["1", "all", "kafka", "prometheus, kafka"].map(|names| (Some(names), false));
    for (names, passes) in cases.into_iter().chain(required) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "lacks_a_broker", "--nocapture"]).env_remove("WCA_REQUIRE_REAL");
        command.envs(names.map(|names| ("WCA_REQUIRE_REAL", names)));
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.success(), passes, "{names:?}: {said}");
        let expected =
            if passes { "*** SKIPPED lacks_a_broker: there is no broker; testbed" } else { "kafka is missing, and" };
        assert!(said.contains(expected) && said.contains("testbed/kafka/up --fetch gets one"), "{names:?}: {said}");
    }
}
