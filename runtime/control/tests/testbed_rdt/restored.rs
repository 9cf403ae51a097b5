//! The way back.

use std::fs;

use wca_model::Fate;

use crate::requests::{ask, control, controls, group, journaled, l3, mb, quiet, roster, schemata, settings};
use crate::scene::{Busy, RESCTRL};

#[test]
#[ignore = "runs inside the test bed"]
fn inside_threads_go_back_to_where_they_were_or_to_the_root() {
    let all = [quiet("stays"), quiet("gone")];
    for (name, busy) in ["stays", "gone"].iter().zip(&all) {
        fs::create_dir(format!("{RESCTRL}/their-{name}")).unwrap();
        busy.processes[0].put(&format!("their-{name}"));
    }
    let tasks = roster(&all.each_ref());
    let mut control = control(settings());
    let asked = [(0, l3(0, 0xf)), (1, group(Some("be"))), (1, mb(1, 20))];
    assert_eq!(ask(&mut control, &tasks, &asked), [Fate::Applied, Fate::Applied, Fate::Applied]);
    // From one of ours to another one of ours.
    assert_eq!(ask(&mut control, &tasks, &[(0, group(Some("le")))]), [Fate::Applied]);
    assert_eq!(controls().len(), 4, "{:?}", controls());
    fs::remove_dir(format!("{RESCTRL}/their-gone")).unwrap();
    let restored = control.restore();
    assert_eq!((restored.failed, restored.foreign), (vec![], vec![]));
    let of = |busy: &Busy| busy.processes[0].groups().0;
    assert_eq!((of(&all[0]), of(&all[1])), ("their-stays".into(), "/".into()));
    assert_eq!(controls(), ["their-stays"]);
    fs::remove_dir(format!("{RESCTRL}/their-stays")).unwrap();
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_the_next_process_adopts_or_puts_back() {
    let folder = tempfile::tempdir().unwrap();
    let busy = quiet("next");
    let tasks = roster(&[&busy]);
    let of = || busy.processes[0].groups().0;
    let (mut first, _) = journaled(folder.path().into(), &["one"]);
    assert_eq!(ask(&mut first, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    let [name] = controls().try_into().unwrap();
    // It is killed.
    drop(first);
    let (mut second, opened) = journaled(folder.path().into(), &["one"]);
    assert_eq!((opened.adopted, opened.restored.put_back), (3, 0));
    for _ in 0..5 {
        assert_eq!(ask(&mut second, &tasks, &[(0, l3(0, 0xf))]), [Fate::Unchanged]);
        assert_eq!((second.tick(), of()), (vec![], name.clone()));
    }
    drop(second);
    // Nobody asks for it again.
    let (mut third, _) = journaled(folder.path().into(), &["one"]);
    for _ in 0..5 {
        third.tick();
    }
    assert_eq!((of(), controls(), third.held().count()), ("/".into(), vec![], 0));
    assert_eq!(ask(&mut third, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    drop(third);
    let (fourth, opened) = journaled(folder.path().into(), &["another"]);
    assert_eq!((opened.adopted, opened.restored.failed), (0, vec![]));
    assert_eq!((of(), controls(), fourth.held().count()), ("/".into(), vec![], 0));
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_that_was_made_again_is_not_ours() {
    let busy = quiet("again");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    ask(&mut control, &tasks, &[(0, group(Some("be"))), (0, l3(0, 0xf))]);
    let path = format!("{RESCTRL}/be");
    fs::remove_dir(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(format!("{path}/schemata"), "L3:0=3\n").unwrap();
    let restored = control.restore();
    assert_eq!((restored.failed.len(), controls()), (0, vec!["be".into()]));
    assert_eq!(schemata("be")[0], "L3:0=003;1=7ff");
    fs::remove_dir(path).unwrap();
}
