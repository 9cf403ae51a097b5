//! What cannot be had is refused with the reason, and everything is as it was.

use std::fs;

use wca_model::Fate;

use crate::requests::{ask, ask_on, control, controls, group, l3, machine, mb, quiet, roster, schemata, settings, why};
use crate::scene::RESCTRL;

#[test]
#[ignore = "runs inside the test bed"]
fn inside_what_is_wrong_is_refused_before_anything_is_written() {
    let busy = quiet("wrong");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    let expected = [
        (l3(0, 0x5), "rdt_l3 mask 5 has a gap"),
        (l3(0, 0), "rdt_l3 mask 0 has 0 ways"),
        (l3(0, 0xffff), "ways outside of 7ff"),
        (l3(7, 0xf), "rdt_l3 names domain 7: resctrl lists 0-1"),
        (mb(0, 5), "rdt_mb 5 percent: a number from 10 to 100"),
        (mb(0, 105), "rdt_mb 105 percent: a number from 10 to 100"),
        (mb(7, 50), "rdt_mb names domain 7"),
        (group(Some("a/b")), "rdt_group `a/b`"),
    ];
    for (change, reason) in expected {
        let [fate] = ask(&mut control, &tasks, &[(0, change)]).try_into().unwrap();
        assert!(why(&fate).contains(reason), "{fate:?}");
        assert_eq!((controls(), busy.processes[0].groups().0), (vec![], "/".to_owned()));
    }
    // One that is refused leaves the others as they are.
    let fates = ask(&mut control, &tasks, &[(0, l3(0, 0xf)), (0, mb(0, 5))]);
    assert_eq!((&fates[0], controls().len()), (&Fate::Applied, 1));
    control.restore();
}

/// The kernel itself refuses, where it is not the machine that was described.
#[test]
#[ignore = "runs inside the test bed"]
fn inside_what_the_kernel_refuses_is_undone_and_told_in_its_words() {
    let busy = quiet("refused");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    let mut other = machine();
    let cache = other.l3.as_mut().unwrap();
    (cache.domains, cache.mask, cache.contiguous) = (vec![0, 1, 7], 0xffff, false);
    other.bandwidth.as_mut().unwrap().min = 1;
    other.bandwidth.as_mut().unwrap().step = 1;
    let expected = [
        (l3(0, 0xffff), "resctrl says: "),
        (l3(0, 0x5), "resctrl says: "),
        (mb(0, 5), "resctrl says: "),
        (l3(7, 0xf), "schemata lists no domain 7 of L3"),
    ];
    for (change, reason) in expected {
        let [first, fate] = ask_on(&mut control, &tasks, &[(0, l3(1, 0xf)), (0, change)], &other).try_into().unwrap();
        assert!(why(&fate).contains(reason) || why(&first).contains(reason), "{first:?} {fate:?}");
        assert!(!why(&first).is_empty(), "all of a task or nothing");
        assert_eq!((controls(), busy.processes[0].groups().0, control.held().count()), (vec![], "/".to_owned(), 0));
    }
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_groups_of_others_are_left_alone_unless_the_operator_names_them() {
    fs::create_dir(format!("{RESCTRL}/theirs")).unwrap();
    fs::write(format!("{RESCTRL}/theirs/schemata"), "L3:0=f0\nMB:0=50\n").unwrap();
    let before = schemata("theirs");
    let busy = quiet("theirs");
    let tasks = roster(&[&busy]);
    let mut unnamed = control(settings());
    let [joins, sets] = ask(&mut unnamed, &tasks, &[(0, group(Some("theirs"))), (0, l3(0, 1))]).try_into().unwrap();
    for fate in [&joins, &sets] {
        assert!(why(fate).contains("the resctrl group theirs was not made by WCA"), "{fate:?}");
    }
    assert_eq!((schemata("theirs"), busy.processes[0].groups().0), (before.clone(), "/".into()));
    let mut settings = settings();
    settings.rdt.named_groups = vec!["theirs".into()];
    let mut named = control(settings);
    assert_eq!(ask(&mut named, &tasks, &[(0, group(Some("theirs"))), (0, l3(0, 1))]), [Fate::Applied, Fate::Applied]);
    assert_eq!((schemata("theirs")[0].as_str(), busy.processes[0].groups().0), ("L3:0=001;1=7ff", "theirs".into()));
    named.restore();
    assert_eq!((schemata("theirs"), busy.processes[0].groups().0), (before, "/".into()));
    fs::remove_dir(format!("{RESCTRL}/theirs")).unwrap();
}
