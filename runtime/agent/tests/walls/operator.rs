//! The operator's socket.

use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use serde_json::json;
use wca_messages::{Channel, OperatorReply, OperatorRequest};

use crate::harness::{As, USER, Warden, everybody, folder, skipped};

type Operator = Channel<OperatorRequest, OperatorReply>;

fn connected(path: &Path) -> Operator {
    let own = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    connect(&own, &SocketAddrUnix::new(path).unwrap()).unwrap();
    Operator::new(own)
}

fn ask(operator: &Operator, request: &OperatorRequest) -> String {
    operator.send(1, request, &[]).unwrap();
    format!("{:?}", operator.receive().unwrap().message)
}

#[test]
fn the_operator_is_answered_and_so_is_a_second_one_beside_the_first() {
    for who in everybody() {
        let folder = folder(who);
        let first = Warden::start_in(&folder, who, &["tick"], json!({}), &[]);
        first.line();
        let tasks = first.line()["keys"].as_array().unwrap().clone();
        let operator = connected(&folder.path().join("run/operator.sock"));
        let other = connected(&folder.path().join("run/operator.sock"));
        for (request, expected) in [
            (OperatorRequest::Journal, "Journal { entries: [], cooling: [] }"),
            (OperatorRequest::Restore, "Restored(RestoredValues { put_back: 0, gone: 0, foreign: [], failed: [] })"),
            (OperatorRequest::Freeze, "Done"),
            (OperatorRequest::Thaw, "Done"),
            (
                OperatorRequest::Reload,
                "Refused(Invalid(\"there is nothing to reload: WCA was started without a configuration file\"))",
            ),
            (
                OperatorRequest::Explain { task: "/no such".into() },
                "Refused(Invalid(\"\\\"/no such\\\" is no cgroup, id or name of a task; `wca tasks` prints them\"))",
            ),
        ] {
            assert_eq!(ask(&operator, &request), expected, "{who:?}");
            assert_eq!(ask(&other, &request), expected, "{who:?}");
        }
        if let Some(task) = tasks.first() {
            let cgroup = task[0].as_str().unwrap().to_owned();
            let expected = format!("Explained {{ cgroup: {cgroup:?}, held: [], cooling: [] }}");
            assert_eq!(ask(&operator, &OperatorRequest::Explain { task: cgroup }), expected);
        }
        operator.send_bytes(b"junk", &[]).unwrap();
        let told = format!("{:?}", operator.receive().unwrap().message);
        assert_eq!(told, "Refused(Malformed(\"no header\"))");
        assert_eq!(ask(&operator, &OperatorRequest::Journal), "Journal { entries: [], cooling: [] }");

        // Another warden of the same folder has a folder of its own in it.
        let second = Warden::start_in(&folder, who, &["tick"], json!({}), &[]);
        second.line();
        second.line();
        let beside = folder.path().join("run").join(second.pid().as_raw_nonzero().to_string());
        assert_eq!(
            ask(&connected(&beside.join("operator.sock")), &OperatorRequest::Journal),
            "Journal { entries: [], cooling: [] }"
        );
        second.signal(rustix::process::Signal::TERM);
        assert!(second.rest().1.success());
        assert!(!beside.exists(), "{who:?}: its folder stays");
        first.signal(rustix::process::Signal::TERM);
        assert!(first.rest().1.success());
        assert!(!folder.path().join("run/operator.sock").exists(), "{who:?}: its socket stays");
    }
}

#[test]
fn an_agent_that_does_not_take_its_answers_keeps_nobody_waiting_and_loses_none() {
    for who in everybody() {
        let warden = Warden::start(who, &["hoard"], json!({"files": ["/etc/passwd"]}));
        warden.line();
        assert_eq!(warden.line(), json!({"hoarding": true}));
        let operator = connected(&warden.folder.path().join("run/operator.sock"));
        assert_eq!(ask(&operator, &OperatorRequest::Journal), "Journal { entries: [], cooling: [] }", "{who:?}");
        let (lines, status, log) = warden.rest();
        assert!(status.success(), "{who:?}: {log}");
        assert_eq!(lines, [json!({"answers": 20_000})], "{who:?}");
    }
}

#[test]
fn changes_fail_while_frozen() {
    for who in everybody() {
        let warden = Warden::start(who, &["apply-until-frozen"], json!({}));
        warden.line();
        if warden.line() == json!({"tasks": 0}) {
            skipped("no cgroup of this machine holds a process");
            continue;
        }
        let operator = connected(&warden.folder.path().join("run/operator.sock"));
        assert_eq!(ask(&operator, &OperatorRequest::Freeze), "Done");
        let (lines, status, log) = warden.rest();
        assert!(status.success(), "{log}");
        assert_eq!(lines.last(), Some(&json!({"fate": "failed: frozen by the operator"})));
        assert!(log.contains("the operator has frozen all changes"), "{log}");
    }
}

#[test]
fn nobody_else_reaches_the_operators_socket() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can be somebody else");
        return;
    }
    use std::os::unix::process::CommandExt as _;
    let warden = Warden::start(As::Root, &["tick"], json!({}));
    warden.line();
    warden.line();
    let folder = warden.folder.path();
    // As open as it can be, so that only the warden itself stands in the way.
    for path in [folder.to_owned(), folder.join("run"), folder.join("run/operator.sock")] {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let program = std::fs::File::open(crate::harness::probe()).unwrap();
    rustix::io::fcntl_setfd(&program, rustix::io::FdFlags::empty()).unwrap();
    let run = |uid: u32| {
        let output = std::process::Command::new(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&program)))
            .args(["operator".as_ref(), folder.join("run/operator.sock").as_os_str()])
            .uid(uid)
            .gid(uid)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(run(0), "\"Journal { entries: [], cooling: [] }\"\n");
    assert_eq!(run(USER), "\"closed\"\n");
    warden.wait_for_log("somebody else's connection to the operator's socket was closed");
}
