//! More groups than there are CLOSIDs.

use std::fs;
use std::time::Duration;

use wca_model::{Change, Fate, Kind};

use crate::requests::{ask, control, controls, l3, machine, quiet, roster, schemata, settings, why};
use crate::scene::{Busy, RESCTRL};

#[test]
#[ignore = "runs inside the test bed"]
fn the_same_seven_schemata_have_groups_for_a_hundred_ticks() {
    let all: Vec<Busy> = (0..20).map(|at| quiet(&format!("t{at}"))).collect();
    let tasks = roster(&all.iter().collect::<Vec<_>>());
    assert_eq!(machine().groups, 8);
    let mut control = control(settings());
    let asked: Vec<(u64, Change)> = (0..20).map(|at| (at, mask(at))).collect();
    let first = ask(&mut control, &tasks, &asked);
    let groups = || all.iter().map(|busy| busy.processes[0].groups().0).collect::<Vec<_>>();
    let (then, names) = (groups(), controls());
    let who: Vec<usize> = (0..20).filter(|at| first[*at] == Fate::Applied).collect();
    assert_eq!(who, [0, 1, 2, 3, 4, 5, 6, 12, 13, 14, 15, 16, 17, 18], "{first:?}");
    assert_eq!(names.len(), 7);
    for _ in 0..100 {
        let fates = ask(&mut control, &tasks, &asked);
        for (at, fate) in fates.iter().enumerate() {
            if who.contains(&at) {
                assert_eq!(*fate, Fate::Unchanged);
            } else {
                assert!(
                    why(fate).starts_with("no CLOSID is left for a group: of 8, the root group has one"),
                    "{fate:?}"
                );
                assert_eq!(then[at], "/");
            }
        }
        assert_eq!(control.tick(), [""; 0]);
        assert_eq!((groups(), controls()), (then.clone(), names.clone()));
    }
    // What one schemata gives up the next one has.
    let given = [(0, Change::Release(Kind::RdtGroup)), (12, Change::Release(Kind::RdtGroup))];
    assert_eq!(ask(&mut control, &tasks, &given), [Fate::Applied, Fate::Applied]);
    let next = ask(&mut control, &tasks, &asked[1..]);
    assert_eq!((&next[6], controls().len()), (&Fate::Applied, 7), "{next:?}");
    control.restore();
    assert_eq!((controls(), groups()), (vec![], vec!["/".to_owned(); 20]));
}

/// Twelve masks of neighbouring ways, each for one task or two.
fn mask(at: u64) -> Change {
    let schemata = at % 12;
    if schemata < 11 { l3(0, (2 << schemata) - 1) } else { l3(0, 0x6) }
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_those_who_have_groups_apart_share_when_it_gets_tight() {
    let all = [quiet("a"), quiet("b"), quiet("c")];
    let tasks = roster(&all.each_ref());
    let mut control = control(settings());
    // Of eight, the root group has one and others have five.
    let others: Vec<String> = (0..5).map(|at| format!("{RESCTRL}/other{at}")).collect();
    others.iter().for_each(|path| fs::create_dir(path).unwrap());
    let asked = [(0, l3(0, 0xf)), (1, l3(0, 0xf)), (2, l3(0, 0xff))];
    assert_eq!(ask(&mut control, &tasks, &asked[..2]), [Fate::Applied, Fate::Applied]);
    assert_eq!(controls().len(), 7);
    let fates = ask(&mut control, &tasks, &asked);
    assert_eq!(fates[2], Fate::Applied, "{fates:?}");
    let of = |at: usize| all[at].processes[0].groups().0;
    assert_eq!((of(0) == of(1), schemata(&of(0))[0].as_str()), (true, "L3:0=00f;1=7ff"));
    assert_eq!(schemata(&of(2))[0], "L3:0=0ff;1=7ff");
    // One of the two wants something else: there is no group left for it, and it stays where it is.
    let fates = ask(&mut control, &tasks, &[(1, l3(0, 0x3))]);
    assert!(why(&fates[0]).contains("no CLOSID is left") && of(0) == of(1), "{fates:?}");
    fs::remove_dir(&others[0]).unwrap();
    assert_eq!(ask(&mut control, &tasks, &[(1, l3(0, 0x3))]), [Fate::Applied]);
    assert_eq!((schemata(&of(0))[0].as_str(), schemata(&of(1))[0].as_str()), ("L3:0=00f;1=7ff", "L3:0=003;1=7ff"));
    control.restore();
    others[1..].iter().for_each(|path| fs::remove_dir(path).unwrap());
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_the_last_group_is_left_before_another_one_is_made() {
    let busy = quiet("last");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    let others: Vec<String> = (0..6).map(|at| format!("{RESCTRL}/other{at}")).collect();
    others.iter().for_each(|path| fs::create_dir(path).unwrap());
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    let of = || busy.processes[0].groups().0;
    let own = of();
    let be = (0, Change::RdtGroup(Some("be".into())));
    let [fate] = ask(&mut control, &tasks, std::slice::from_ref(&be)).try_into().unwrap();
    assert!(why(&fate).contains("resctrl says: Out of CLOSIDs"), "{fate:?}");
    assert_eq!((of(), schemata(&own)[0].as_str()), (own.clone(), "L3:0=00f;1=7ff"), "as it was");
    let release = (0, Change::Release(Kind::RdtGroup));
    assert_eq!(ask(&mut control, &tasks, &[release]), [Fate::Applied]);
    assert_eq!(ask(&mut control, &tasks, &[be]), [Fate::Applied]);
    assert_eq!((of(), controls().len()), ("be".into(), 7));
    control.restore();
    others.iter().for_each(|path| fs::remove_dir(path).unwrap());
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_groups_that_are_to_be_gone_go_at_the_start() {
    let stranger = quiet("stranger");
    for name in ["idle", "used"] {
        fs::create_dir(format!("{RESCTRL}/{name}")).unwrap();
    }
    stranger.processes[0].put("used");
    let mut kept = settings();
    kept.rdt.remove_all_groups = true;
    let told = control(kept.clone()).begin(&machine()).unwrap();
    assert_eq!(told[0], "the resctrl group idle with 0 threads is removed");
    assert!(told[1].contains("the resctrl group used is not removed"), "{told:?}");
    assert_eq!(controls(), ["used"]);
    kept.rdt.force = true;
    let told = control(kept).begin(&machine()).unwrap();
    assert_eq!((told, controls()), (vec!["the resctrl group used with 1 threads is removed".into()], vec![]));
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(stranger.processes[0].groups().0, "/");
}
