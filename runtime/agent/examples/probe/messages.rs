//! Messages that must be refused, and those that must be answered after them.

use std::os::fd::{AsFd as _, BorrowedFd};

use serde_json::json;
use wca_messages::{MAX_REQUESTS, MAX_TASKS, PROTOCOL, Reply, Request, RosterEntry, UPWARD_MAX, seal};
use wca_model::{Change, TaskKey};

use crate::connection::Connection;
use crate::say;

fn entry(cgroup: &str) -> RosterEntry {
    RosterEntry { cgroup: cgroup.into(), ..RosterEntry::default() }
}

fn header(form: u8) -> Vec<u8> {
    let mut bytes = b"WCA1".to_vec();
    bytes.extend([form, 0, 0, 0]);
    bytes.extend(7_u64.to_le_bytes());
    bytes
}

fn tell(name: &str, reply: &Reply) {
    let text = match reply {
        Reply::Refused(refused) => format!("refused: {refused}"),
        other => format!("answered: {}", format!("{other:?}").chars().take(120).collect::<String>()),
    };
    say(&json!({"message": name, "reply": text}));
}

pub(crate) fn run(warden: &mut Connection) {
    for (name, request) in [
        ("tree before hello", Request::Tree),
        ("sample before hello", Request::Sample),
        ("hello of another version", Request::Hello { protocol: PROTOCOL + 1 }),
    ] {
        tell(name, &warden.ask(&request).message);
    }
    warden.greet();
    let apply = |policy, requests| Request::Apply { policy, requests };
    let roster = |tasks| Request::Roster { tasks, exclusive_cpus: vec![] };
    let quota = wca_model::Request { task: TaskKey(77), change: Change::CpuQuota(0.5) };
    for (name, request) in [
        ("hello twice", Request::Hello { protocol: PROTOCOL }),
        ("sample before roster", Request::Sample),
        ("roster without a slash", roster(vec![entry("a")])),
        ("roster that leads elsewhere", roster(vec![entry("/a/../../etc")])),
        ("roster with a newline", roster(vec![entry("/a\nb")])),
        ("roster with a NUL", roster(vec![entry("/a\0b")])),
        ("roster with a long path", roster(vec![entry(&format!("/{}", "x".repeat(5_000)))])),
        ("roster with one cgroup twice", roster(vec![entry("/a"), entry("/a")])),
        ("roster with many tasks", roster((0..=MAX_TASKS).map(|number| entry(&format!("/{number}"))).collect())),
        (
            "roster with many labels",
            roster(vec![RosterEntry { labels: vec![(String::new(), String::new()); 1_000], ..entry("/a") }]),
        ),
        ("roster with no processor", Request::Roster { tasks: vec![], exclusive_cpus: vec![u32::MAX] }),
        ("files of no kubelet", Request::KubeletFiles),
        ("many requests", apply(0, vec![quota.clone(); MAX_REQUESTS + 1])),
        ("requests of another policy", apply(1, vec![quota])),
        ("release of another policy", Request::Release { policy: u32::MAX }),
        ("quarantine of another policy", Request::Quarantined { policy: 1 }),
        ("another life of another policy", Request::BegunAnew { policy: 1 }),
        ("explain of no task", Request::Explain { task: TaskKey(u64::MAX) }),
        ("gaps of no task", Request::Gaps { task: TaskKey(u64::MAX) }),
        ("open of no file", Request::Open { file: u32::MAX }),
        ("compile of no file", Request::Compile { file: 5, engine: [0; 32], cache: true }),
    ] {
        tell(name, &warden.ask(&request).message);
    }
    malformed(warden);
    let keys = warden.roster();
    tell("sample", &warden.ask(&Request::Sample).message);
    // A machine may have no cgroup that holds a process.
    let Some((_, task)) = keys.first() else { return };
    let requests = vec![
        wca_model::Request { task: *task, change: Change::Release(wca_model::Kind::CpuQuota) },
        wca_model::Request { task: TaskKey(1 << 40), change: Change::CpuQuota(0.5) },
        wca_model::Request { task: *task, change: Change::CpuWeight(0) },
    ];
    tell("apply", &warden.ask(&apply(0, requests)).message);
    tell("explain", &warden.ask(&Request::Explain { task: *task }).message);
    tell("gaps", &warden.ask(&Request::Gaps { task: *task }).message);
}

/// Bytes that are no message.
fn malformed(warden: &mut Connection) {
    let unsealed = rustix::fs::memfd_create("open", rustix::fs::MemfdFlags::ALLOW_SEALING).expect("memory");
    let large = seal("large", &[&vec![0; UPWARD_MAX + 1]]).expect("memory");
    let junk = seal("junk", &[&[99; 1_000]]).expect("memory");
    let roster_of = |count: u64| {
        // A roster that says that it has so many tasks, and ends there.
        let mut bytes = header(0);
        bytes.push(2);
        let mut count = count;
        while count >= 0x80 {
            bytes.push((count & 0x7f) as u8 | 0x80);
            count >>= 7;
        }
        bytes.push(count as u8);
        bytes
    };
    let with_junk = [header(0), vec![99; 50]].concat();
    let with_rest = [header(0), vec![1, 0]].concat();
    let cases: Vec<(&str, Vec<u8>, Vec<BorrowedFd<'_>>)> = vec![
        ("one byte", vec![1], vec![]),
        ("no header", vec![0; 100], vec![]),
        ("another form", header(7), vec![]),
        ("nothing after the header", header(0), vec![]),
        ("no request", with_junk, vec![]),
        ("more than a request", with_rest, vec![]),
        ("a roster of many and none", roster_of(u64::MAX / 2), vec![]),
        ("sealed without memory", header(1), vec![]),
        ("sealed with open memory", header(1), vec![unsealed.as_fd()]),
        ("sealed with large memory", header(1), vec![large.as_fd()]),
        ("sealed with junk", header(1), vec![junk.as_fd()]),
        ("large", vec![0; 40_000], vec![]),
        ("many descriptors", header(0), vec![junk.as_fd(); 5]),
    ];
    for (name, bytes, descriptors) in cases {
        tell(name, &warden.send_bytes(&bytes, &descriptors).message);
    }
}
