//! A process that is killed at any moment leaves a journal by which the next one puts everything back.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use wca_model::{Change, Kind};

use crate::requests::{ask, controls, group, journaled, l3, mb, quiet, roster, schemata};
use crate::scene::{Busy, RESCTRL};

/// Where the process that is killed has its journal.
const FOLDER: &str = "WCA_TEST_JOURNAL";
const TASKS: [&str; 3] = ["kill-a", "kill-b", "kill-c"];

/// The process that is killed: started by [`inside_all_of_it_is_put_back_whenever_it_was_killed`] alone.
#[test]
#[ignore = "runs inside the test bed"]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let paths = TASKS.map(|name| Busy { path: format!("/{name}"), scratch: None, processes: vec![] });
    let tasks = roster(&paths.each_ref());
    let (mut control, _) = journaled(folder.into(), &["one"]);
    let release = |key| (key, Change::Release(Kind::RdtGroup));
    let batches = [
        vec![(0, l3(0, 0xf)), (0, l3(1, 0x3)), (0, mb(0, 50)), (1, group(Some("be"))), (1, l3(0, 0xff))],
        vec![(0, group(Some("be"))), (0, l3(0, 0x3)), (2, l3(0, 0x3))],
        vec![(1, mb(1, 20)), release(0)],
        vec![release(1), release(2), (0, mb(0, 20))],
        vec![release(0)],
    ];
    for batch in batches.iter().cycle() {
        ask(&mut control, &tasks, batch);
        control.tick();
    }
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_all_of_it_is_put_back_whenever_it_was_killed() {
    let all = TASKS.map(quiet);
    fs::create_dir(format!("{RESCTRL}/theirs")).unwrap();
    all[2].processes[0].put("theirs");
    let folder = tempfile::tempdir().unwrap();
    let mut put_back = 0;
    for turn in 0..60 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "killed::victim"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !folder.path().join("journal").exists() {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(7_919 * (turn * 37 % 60)));
        victim.kill().unwrap();
        victim.wait().unwrap();
        let (control, opened) = journaled(folder.path().into(), &["another"]);
        let restored = opened.restored;
        assert_eq!((&restored.failed[..], &restored.foreign[..]), (&[][..], &[][..]), "{turn}: {restored}");
        assert_eq!((controls(), control.held().count()), (vec!["theirs".to_owned()], 0), "{turn}");
        let of = all.each_ref().map(|busy| busy.processes[0].groups().0);
        assert_eq!(of, ["/", "/", "theirs"], "{turn}");
        assert_eq!(schemata(""), ["L3:0=7ff;1=7ff", "MB:0=100;1=100"], "{turn}");
        put_back += restored.put_back;
        drop(control);
        fs::remove_file(folder.path().join("journal")).unwrap();
    }
    assert!(put_back > 60, "{put_back}: it was killed before it began");
    drop(all);
    fs::remove_dir(format!("{RESCTRL}/theirs")).unwrap();
}
