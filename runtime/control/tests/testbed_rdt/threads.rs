//! Threads that move, come and go.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use wca_model::{Change, Fate, Kind};

use crate::requests::{ask, control, controls, group, l3, quiet, roster, settings, why};
use crate::scene::{Busy, Process, RESCTRL, members, numbers};

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_task_that_forks_is_moved_wholly() {
    let busy = Busy::start("forks", 0);
    let add = |process: std::process::Child| {
        busy.scratch.as_ref().unwrap().add_process(process.id()).unwrap();
        Process(process)
    };
    let sleeping: Vec<Process> = (0..50).map(|_| add(Command::new("sleep").arg("1000").spawn().unwrap())).collect();
    let forking = "read line; i=0; while [ $i -lt 150 ]; do sleep 1000 & i=$((i+1)); done; wait";
    let mut shell = add(Command::new("sh").args(["-c", forking]).stdin(Stdio::piped()).spawn().unwrap());
    let threads = || numbers(Path::new("/sys/fs/cgroup/forks/cgroup.threads"));
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    shell.0.stdin.take();
    while threads().len() == 51 {
        sleep(Duration::from_millis(1));
    }
    assert_eq!(ask(&mut control, &tasks, &[(0, group(Some("be")))]), [Fate::Applied]);
    let until_now = threads();
    assert!(until_now.len() < 201, "it forks still");
    // One that was being born when its parent was written is seen by the next tick.
    let missing = until_now.difference(&members("be")).count();
    assert!(missing <= 1, "{missing}");
    assert_eq!(control.tick(), [""; 0]);
    assert!(until_now.is_subset(&members("be")));
    while threads().len() < 201 {
        assert_eq!(control.tick(), [""; 0]);
        sleep(Duration::from_millis(10));
    }
    control.tick();
    assert_eq!(members("be"), threads());
    control.restore();
    assert_eq!(controls(), [""; 0]);
    fs::write("/sys/fs/cgroup/forks/cgroup.kill", "1").unwrap();
    drop((shell, sleeping));
    sleep(Duration::from_millis(300));
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_who_comes_into_a_task_comes_into_its_group() {
    let mut busy = quiet("joined");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    ask(&mut control, &tasks, &[(0, group(Some("be")))]);
    let late = Command::new("sleep").arg("1000").spawn().unwrap();
    busy.scratch.as_ref().unwrap().add_process(late.id()).unwrap();
    busy.processes.push(Process(late));
    assert_eq!(busy.processes[1].groups().0, "/");
    assert_eq!(control.tick(), [""; 0]);
    assert_eq!(busy.processes[1].groups().0, "be");
    assert_eq!(control.foreign_writes().counts().count(), 0, "nobody wrote");
    control.restore();
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_task_that_somebody_moves_is_theirs() {
    let busy = quiet("moved");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    ask(&mut control, &tasks, &[(0, l3(0, 0xf))]);
    fs::create_dir(format!("{RESCTRL}/theirs")).unwrap();
    busy.processes[0].put("theirs");
    let told = control.tick();
    assert!(told[0].contains("the resctrl group of /moved") && told[0].contains("left to others"), "{told:?}");
    assert_eq!(control.foreign_writes().counts().collect::<Vec<_>>(), [(Kind::RdtGroup, 1)]);
    assert_eq!((controls(), busy.processes[0].groups().0), (vec!["theirs".into()], "theirs".into()));
    let [fate] = ask(&mut control, &tasks, &[(0, l3(0, 0xf))]).try_into().unwrap();
    assert!(why(&fate).contains("until rdt_group is released"), "{fate:?}");
    ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtGroup))]);
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    control.restore();
    assert_eq!((controls(), busy.processes[0].groups().0), (vec!["theirs".into()], "theirs".into()));
    fs::remove_dir(format!("{RESCTRL}/theirs")).unwrap();
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_that_somebody_removes_is_counted_once_for_its_task() {
    let busy = quiet("removed");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    let asked = [(0, group(Some("be"))), (0, l3(0, 0xf))];
    ask(&mut control, &tasks, &asked);
    fs::remove_dir(format!("{RESCTRL}/be")).unwrap();
    assert_eq!(control.tick().len(), 1);
    assert_eq!(control.foreign_writes().counts().collect::<Vec<_>>(), [(Kind::RdtGroup, 1)]);
    assert_eq!((control.tick(), control.held().count()), (vec![], 0));
    let fates = ask(&mut control, &tasks, &asked);
    assert!(fates.iter().all(|fate| why(fate).contains("until rdt_group is released")), "{fates:?}");
    ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtGroup))]);
    assert_eq!(ask(&mut control, &tasks, &asked), [Fate::Applied, Fate::Applied]);
    control.restore();
    assert_eq!(controls(), [""; 0]);
}
