use super::*;
use crate::policy::Policy;
use wca_model::Kind;

fn held(file: &str, before: &str, written: &str) -> Held {
    Held {
        spot: Spot::Cgroup { mount: "/sys/fs/cgroup/cpu".into(), cgroup: "/a".into(), file: file.into() },
        life: 7,
        owner: Owner {
            policy: Policy { name: "P".into(), digest: "00".into() },
            cgroup: "/a".into(),
            kind: Kind::CpuShares,
            domain: None,
            asked: "2".into(),
        },
        before: before.into(),
        written: written.into(),
        now: None,
        since: 1.5,
    }
}

fn values(journal: &Journal) -> Vec<(String, String, Option<String>)> {
    journal
        .iter()
        .map(|entry| &entry.held)
        .map(|held| (held.before.clone(), held.written.clone(), held.now.clone()))
        .collect()
}

#[test]
fn what_was_found_first_stays_over_writes_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, lost) = Journal::open(folder.path(), "boot").unwrap();
    assert!(lost.is_empty());
    journal.writing(held("cpu.shares", "1024", "2000")).unwrap();
    journal.written(&held("cpu.shares", "", "").spot, "2000").unwrap();
    journal.writing(held("cpu.shares", "2000", "3000")).unwrap();
    journal.writing(held("cpu.cfs_quota_us", "-1", "5")).unwrap();
    journal.dropped(&held("cpu.cfs_quota_us", "", "").spot, Dropped::NotWritten).unwrap();
    let expected = [("1024".to_owned(), "3000".to_owned(), None)];
    assert_eq!(values(&journal), expected);
    drop(journal);
    let (journal, _) = Journal::open(folder.path(), "boot").unwrap();
    assert_eq!(values(&journal), expected);
}

#[test]
fn a_line_that_was_cut_off_is_as_if_it_had_not_been_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut journal, _) = Journal::open(folder.path(), "boot").unwrap();
    journal.writing(held("cpu.shares", "1024", "2000")).unwrap();
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    let begin = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in begin..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (journal, _) = Journal::open(folder.path(), "boot").unwrap();
        assert_eq!(values(&journal).len(), 0, "cut at {cut}");
    }
}

#[test]
fn values_of_another_boot_are_held_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), "one").unwrap();
    journal.writing(held("cpu.shares", "1024", "2000")).unwrap();
    drop(journal);
    let (journal, lost) = Journal::open(folder.path(), "other").unwrap();
    assert_eq!((values(&journal).len(), lost.len()), (0, 1));
    drop(journal);
    let (_, lost) = Journal::open(folder.path(), "other").unwrap();
    assert!(lost.is_empty());
}

#[test]
fn a_line_that_is_none_of_ours_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for (text, expected) in [
        ("{}\n", "line 1"),
        ("{\"begin\":{\"version\":9,\"boot\":\"x\"}}\n", "it has version 9, this program knows 1"),
        (
            "{\"begin\":{\"version\":1,\"boot\":\"x\"}}\n{\"written\":{\"number\":3,\"now\":\"1\"}}\n",
            "line 2: value 3 was not held",
        ),
        ("{\"written\":{\"number\":3,\"now\":\"1\"}}\n", "it does not say of which boot it is"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Journal::open(folder.path(), "boot").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("journal"), "{error}");
    }
}

#[test]
fn the_file_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), "boot").unwrap();
    for value in 0..10_000 {
        journal.writing(held("cpu.shares", "1024", &value.to_string())).unwrap();
    }
    let lines = std::fs::read_to_string(folder.path().join("journal")).unwrap().lines().count();
    assert!(lines < 1_100, "{lines}");
    drop(journal);
    let (journal, _) = Journal::open(folder.path(), "boot").unwrap();
    assert_eq!(values(&journal), [("1024".to_owned(), "9999".to_owned(), None)]);
}

#[test]
fn the_file_is_written_anew_with_what_is_just_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), "boot").unwrap();
    let spot = held("cpu.shares", "", "").spot;
    for round in 0..1_000 {
        journal.writing(held("cpu.shares", "1024", "2000")).unwrap();
        journal.written(&spot, "2000").unwrap();
        if round % 2 == 0 {
            journal.putting_back(&spot).unwrap();
        }
        journal.dropped(&spot, Dropped::PutBack).unwrap();
        if round % 7 == 0 {
            let there = Journal::peek(folder.path(), "boot").unwrap();
            assert!(there.is_empty(), "round {round}: {there:?}");
        }
    }
    journal.writing(held("cpu.shares", "1024", "2000")).unwrap();
    drop(journal);
    let (journal, _) = Journal::open(folder.path(), "boot").unwrap();
    assert_eq!(values(&journal), [("1024".to_owned(), "2000".to_owned(), None)]);
}

/// A file system with room for one page, removed in the end.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8k", "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            crate::skipped::skipped("this user may not mount a small file system, so none is full");
        }
        mounted.then(|| Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.unwrap().success());
    }
}

#[test]
fn a_full_file_system_leaves_no_half_line_and_nothing_that_was_not_begun() {
    let Some(small) = Small::new() else { return };
    let (mut journal, _) = Journal::open(small.0.path(), "boot").unwrap();
    let mut begun = Vec::new();
    let error = loop {
        let next = held(&format!("file-{}", begun.len()), "1024", "2000");
        match journal.writing(next.clone()) {
            Ok(()) => begun.push(next.spot),
            Err(error) => break error.to_string(),
        }
    };
    assert!(begun.len() > 5 && error.contains("journal: No space left on device"), "{error}");
    // It goes on with what there is room for.
    assert!(journal.writing(held("other", "1024", "2000")).is_err());
    assert_eq!(journal.iter().count(), begun.len());
    drop(journal);
    let there = Journal::peek(small.0.path(), "boot").unwrap();
    assert_eq!(
        there.into_iter().map(|held| held.spot).collect::<std::collections::BTreeSet<_>>(),
        begun.into_iter().collect()
    );
}
