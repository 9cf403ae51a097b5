//! Groups that several tasks share.

use wca_model::{Change, Fate, Kind};

use crate::requests::{ask, control, controls, group, l3, quiet, roster, schemata, settings, why};

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_is_shared_by_name_until_the_last_one_leaves() {
    let all = [quiet("one"), quiet("two")];
    let tasks = roster(&all.each_ref());
    let of = |at: usize| all[at].processes[0].groups().0;
    let mut control = control(settings());
    let be = || group(Some("be"));
    let asked = [(0, be()), (0, l3(0, 0xf)), (1, be()), (1, l3(0, 0xf))];
    assert_eq!(ask(&mut control, &tasks, &asked), [Fate::Applied, Fate::Applied, Fate::Applied, Fate::Unchanged]);
    assert_eq!((of(0), of(1), controls()), ("be".into(), "be".into(), vec!["be".into()]));
    let fates = ask(&mut control, &tasks, &[(0, be()), (0, l3(0, 0xff)), (1, be()), (1, l3(0, 1))]);
    assert_eq!((&fates[1], schemata("be")[0].as_str()), (&Fate::Applied, "L3:0=0ff;1=7ff"));
    assert!(why(&fates[3]).contains("/one asks for L3:0=ff of the same group in this batch"), "{fates:?}");
    // The one who made it leaves, and the other one keeps it.
    assert_eq!(ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtGroup))]), [Fate::Applied]);
    assert_eq!((of(0), of(1), schemata("be")[0].as_str()), ("/".into(), "be".into(), "L3:0=0ff;1=7ff"));
    assert_eq!(ask(&mut control, &tasks, &[(1, Change::Release(Kind::RdtGroup))]), [Fate::Applied]);
    assert_eq!((of(1), controls(), control.held().count()), ("/".into(), vec![], 0));
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_goes_with_its_last_task() {
    let busy = quiet("ends");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    ask(&mut control, &tasks, &[(0, l3(0, 0xf))]);
    assert_eq!(controls().len(), 1);
    drop(busy);
    assert_eq!((control.tick(), controls(), control.held().count()), (vec![], vec![], 0));
}
