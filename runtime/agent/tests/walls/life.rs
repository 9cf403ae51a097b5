//! How agents end, and what the warden makes of it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use crate::harness::{LONG, Warden, everybody, folder, skipped};

/// Starts again at once, however often.
fn quick() -> Value {
    json!({"first_restart_millis": 1, "most_restart_millis": 20})
}

fn keys(line: &Value) -> BTreeMap<String, u64> {
    serde_json::from_value::<Vec<(String, u64)>>(line["keys"].clone()).unwrap().into_iter().collect()
}

/// Numbers that look random and are the same in every run.
fn moments() -> impl Iterator<Item = Duration> {
    let mut state = 0x9e37_79b9_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((state >> 33) % 40_000)
    })
}

/// How many descriptors a warden has while it answers nothing, the fewest of many moments. Files of tasks do not count: other
/// cgroups may come and go meanwhile.
fn descriptors_of(warden: &Warden) -> Option<usize> {
    let folder = format!("/proc/{}/fd", warden.pid().as_raw_nonzero());
    let of_task = |path: &Path| std::fs::read_link(path).is_ok_and(|file| file.starts_with("/sys/fs/cgroup"));
    let count = || Some(std::fs::read_dir(&folder).ok()?.flatten().filter(|entry| !of_task(&entry.path())).count());
    (0..200).map(|_| count()).min().flatten()
}

#[test]
fn an_agent_killed_at_random_is_started_again_each_time_and_keys_go_on() {
    for who in everybody() {
        let mut warden = Warden::start(who, &["tick"], quick());
        assert!(warden.line()["uid"].is_u64());
        let first = keys(&warden.line());
        if first.is_empty() {
            skipped("no cgroup of this machine holds a process, so that there are no keys to compare");
        }
        let mut ticks = 0;
        let mut open = None;
        for (round, moment) in moments().take(20).enumerate() {
            std::thread::sleep(moment);
            let agent = agent_of(&warden);
            kill_process(agent, Signal::KILL).unwrap();
            // Some die before they have said a word.
            let line = loop {
                let line = warden.line();
                if line["keys"].is_array() {
                    break line;
                }
            };
            assert!(line["ticks"].as_u64().unwrap() >= ticks);
            ticks = line["ticks"].as_u64().unwrap();
            let now = keys(&line);
            for (path, key) in &now {
                assert!(first.get(path).is_none_or(|first| first == key), "{who:?}: round {round}: {path}");
            }
            assert!(warden.children().iter().all(|(_, state)| *state != 'Z'), "{who:?}: a zombie stays");
            match (round, descriptors_of(&warden)) {
                (0, count) => open = count,
                (_, None) => {}
                (_, count) => assert_eq!(count, open, "{who:?}: round {round}: descriptors are lost"),
            }
        }
        if open.is_none() {
            skipped("the descriptors of a closed process cannot be counted by this user");
        }
        warden.signal(Signal::TERM);
        let status = warden.wait();
        assert_eq!(status.code(), Some(0), "{who:?}: {}", warden.log());
    }
}

fn agent_of(warden: &Warden) -> Pid {
    let begin = Instant::now();
    loop {
        if let Some((pid, _)) = warden.children().first() {
            return *pid;
        }
        assert!(begin.elapsed() < LONG, "no agent is started: {}", warden.log());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_end_that_a_new_start_would_not_mend_is_the_end_of_both() {
    for who in everybody() {
        for code in ["0", "1", "2"] {
            let mut warden = Warden::start(who, &["exit", code], json!({}));
            assert_eq!(warden.wait().code().unwrap().to_string(), code, "{who:?}: {}", warden.log());
        }
    }
}

#[test]
fn an_agent_that_never_says_a_word_is_given_up() {
    for who in everybody() {
        let (_, status, log) = Warden::start(who, &["exit", "101"], quick()).rest();
        assert_eq!(status.code(), Some(3), "{who:?}: {log}");
        let expected = "the warden has failed: the agent has ended 5 times in a row before its first message, last: ended \
                        with code 101; its reason stands above";
        assert!(log.contains(expected), "{log}");
    }
}

#[test]
fn a_signal_ends_both_in_order() {
    for who in everybody() {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let warden = Warden::start(who, &["tick"], json!({}));
            warden.line();
            warden.line();
            warden.signal(signal);
            let (lines, status, log) = warden.rest();
            assert_eq!(status.code(), Some(0), "{who:?}: {signal:?}: {log}");
            assert_eq!(lines, [json!({"stopped": true})], "{who:?}: {signal:?}");
        }
    }
}

#[test]
fn an_agent_that_does_not_end_is_ended() {
    for who in everybody() {
        for second_signal in [false, true] {
            let grace = if second_signal { 600_000 } else { 200 };
            let warden = Warden::start(who, &["ignore-stop"], json!({"grace_millis": grace}));
            warden.line();
            assert_eq!(warden.line(), json!({"ready": true}));
            warden.signal(Signal::TERM);
            if second_signal {
                warden.wait_for_log("SIGTERM: ending");
                warden.signal(Signal::TERM);
            }
            let (_, status, log) = warden.rest();
            assert_eq!(status.code(), Some(1), "{who:?}: {log}");
            assert!(log.contains("the agent has been ended by SIGKILL, since it did not end in time"), "{log}");
        }
    }
}

#[test]
fn an_agent_that_falls_silent_is_reported_ended_and_started_again() {
    for who in everybody() {
        let warden = Warden::start(who, &["fall-silent"], json!({"tick_millis": 50}));
        let (lines, status, log) = warden.rest();
        assert!(status.success(), "{who:?}: {status}: {log}");
        assert_eq!(lines.iter().filter_map(|line| line["ticks"].as_u64()).collect::<Vec<_>>(), [0, 1]);
        assert!(log.contains("at an interval of 0.05 s"), "{log}");
        assert!(log.contains("it is killed and started again"), "{log}");
    }
}

#[test]
fn the_agent_ends_with_its_warden() {
    for who in everybody() {
        let mut warden = Warden::start(who, &["ignore-stop"], json!({}));
        warden.line();
        warden.line();
        let agent = agent_of(&warden);
        warden.signal(Signal::KILL);
        warden.wait();
        let begin = Instant::now();
        while test_kill_process(agent).is_ok() && !is_zombie(agent) {
            assert!(begin.elapsed() < LONG, "{who:?}: the agent goes on without its warden");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// One that nobody has taken the end of yet: a container may have no process that does.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

#[test]
fn the_service_manager_hears_of_start_and_end() {
    for who in everybody() {
        let folder = folder(who);
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(LONG)).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let environment = [("NOTIFY_SOCKET", path.as_path())];
        let mut warden = Warden::start_in(&folder, who, &["tick"], json!({}), &environment);
        let heard = || {
            let mut buffer = [0; 100];
            // With a time-out the kernel does not go on by itself after a signal (signal(7)).
            let read = loop {
                match manager.recv(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    read => break read.unwrap(),
                }
            };
            String::from_utf8_lossy(&buffer[..read]).into_owned()
        };
        assert_eq!(heard(), "READY=1");
        warden.signal(Signal::TERM);
        assert_eq!(heard(), "STOPPING=1");
        assert_eq!(warden.wait().code(), Some(0));
    }
}

#[test]
fn users_that_cannot_be_had_are_told() {
    let cases = if rustix::process::geteuid().is_root() {
        vec![
            ("root", "--user root: the agent takes no user that it would share with others"),
            ("nobody", "--user nobody: the agent takes no user that it would share with others"),
            ("no-such-user", "--user no-such-user: no user of this name or number"),
        ]
    } else {
        vec![("0", "--user 0: only root can run the agent as another user")]
    };
    for (user, expected) in cases {
        let warden = Warden::start(everybody()[0], &["tick"], json!({"user": user}));
        let (_, status, log) = warden.rest();
        assert_eq!(status.code(), Some(3));
        assert!(log.contains(expected), "{log}");
    }
}
