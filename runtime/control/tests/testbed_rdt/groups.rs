//! Groups of tasks, and what is set in them.

use std::time::Duration;

use wca_control::{RdtSettings, Settings};
use wca_model::{Change, Fate, Kind};

use crate::common::tick::tick;
use crate::requests::{ask, control, controls, group, l3, machine, mb, quiet, roster, schemata, settings, why};
use crate::scene::{Busy, counters, members, ours, sampler, until};

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_group_is_made_and_set_and_goes_again() {
    let busy = quiet("alone");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    let asked = [(0, l3(0, 0xf)), (0, l3(1, 0xf0)), (0, mb(0, 55))];
    assert_eq!(ask(&mut control, &tasks, &asked), [Fate::Applied, Fate::Applied, Fate::Adjusted("60".into())]);
    let [name] = controls().try_into().unwrap();
    assert!(name.starts_with("wca-alone-"), "{name}");
    assert_eq!(schemata(&name), ["L3:0=00f;1=0f0", "MB:0=60;1=100"]);
    assert_eq!(busy.processes[0].groups(), (name.clone(), String::new()));
    // Asked again, nothing is written; a smaller batch leaves the rest as it is.
    assert_eq!(ask(&mut control, &tasks, &asked), [Fate::Unchanged, Fate::Unchanged, Fate::Adjusted("60".into())]);
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0x3))]), [Fate::Applied]);
    assert_eq!(schemata(&name), ["L3:0=003;1=0f0", "MB:0=60;1=100"]);
    assert_eq!(control.tick(), [""; 0]);
    // A kind is given back, and with the last one the group.
    assert_eq!(ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtL3))]), [Fate::Applied]);
    assert_eq!(schemata(&name), ["L3:0=7ff;1=7ff", "MB:0=60;1=100"]);
    assert_eq!(ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtMb))]), [Fate::Applied]);
    assert_eq!((controls(), busy.processes[0].groups().0), (vec![], "/".to_owned()));
    assert_eq!(control.held().count(), 0);
    assert_eq!(ask(&mut control, &tasks, &[(0, Change::Release(Kind::RdtMb))]), [Fate::Unchanged]);
}

/// Test vectors 32, 34 and 35: from one group to another, nothing is carried over.
#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_task_goes_from_group_to_group() {
    let busy = quiet("goes");
    let tasks = roster(&[&busy]);
    let rdt = RdtSettings { named_groups: vec![String::new()], ..RdtSettings::default() };
    let mut control = control(Settings { rdt, ..settings() });
    let of = || busy.processes[0].groups().0;
    assert_eq!(ask(&mut control, &tasks, &[(0, group(None))]), [Fate::Applied]);
    let [own] = controls().try_into().unwrap();
    assert_eq!((of(), schemata(&own)), (own.clone(), vec!["L3:0=7ff;1=7ff".into(), "MB:0=100;1=100".into()]));
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xff))]), [Fate::Applied]);
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    assert_eq!(schemata(&own)[0], "L3:0=00f;1=7ff", "the same group");
    assert_eq!(ask(&mut control, &tasks, &[(0, group(Some("be"))), (0, mb(1, 30))]), [Fate::Applied, Fate::Applied]);
    assert_eq!((of(), controls()), ("be".into(), vec!["be".into()]));
    assert_eq!(schemata("be"), ["L3:0=7ff;1=7ff", "MB:0=100;1=30"], "another one");
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    assert_eq!(schemata("be"), ["L3:0=00f;1=7ff", "MB:0=100;1=30"], "the one that was named stays");
    assert_eq!(ask(&mut control, &tasks, &[(0, group(Some(""))), (0, l3(0, 0xff))]), [Fate::Applied, Fate::Applied]);
    assert_eq!((of(), controls(), schemata("")[0].as_str()), ("/".into(), vec![], "L3:0=0ff;1=7ff"));
    control.restore();
    assert_eq!(schemata("")[0], "L3:0=7ff;1=7ff");
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_the_root_group_has_what_the_operator_wants_until_the_end() {
    let rdt = RdtSettings {
        default_l3: Some("L3:0=ff;1=0f".into()),
        default_mb: Some("MB:0=55".into()),
        ..RdtSettings::default()
    };
    let mut control = control(Settings { rdt, ..settings() });
    assert_eq!(control.begin(&machine()).unwrap(), [""; 0]);
    assert_eq!(schemata(""), ["L3:0=0ff;1=00f", "MB:0=60;1=100"]);
    assert_eq!(control.tick(), [""; 0]);
    // No policy writes there.
    let busy = quiet("root");
    let fates = ask(&mut control, &roster(&[&busy]), &[(0, group(Some(""))), (0, l3(0, 1))]);
    assert!(why(&fates[1]).contains("the root group of resctrl was not made by WCA"), "{fates:?}");
    assert_eq!(control.end().unwrap().put_back, 3);
    assert_eq!(schemata(""), ["L3:0=7ff;1=7ff", "MB:0=100;1=100"]);
}

#[test]
#[ignore = "runs inside the test bed"]
fn inside_a_monitoring_group_counts_on_over_a_move() {
    let busy = Busy::start("counted", 2);
    let mut sampler = sampler(Some(true), &[&busy]);
    let total = |tick: &crate::common::tick::Tick| tick.of("task_mem_bandwidth_bytes")[0];
    tick(&mut sampler);
    std::thread::sleep(Duration::from_secs(1));
    let before = total(&tick(&mut sampler)).unwrap();
    let [monitoring] = ours("").try_into().unwrap();
    let mut control = control(settings());
    let tasks = roster(&[&busy]);
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xf))]), [Fate::Applied]);
    let [own] = controls().try_into().unwrap();
    until(&mut sampler, |tick| {
        assert!(total(tick).unwrap() >= before, "counting goes on");
        ours(&own) == [monitoring.clone()]
    });
    for process in &busy.processes {
        assert_eq!(process.groups(), (own.clone(), monitoring.clone()));
    }
    // Neither takes away what the other has made.
    assert_eq!((control.tick(), tick(&mut sampler).notices.len()), (vec![], 0));
    assert_eq!(ask(&mut control, &tasks, &[(0, l3(0, 0xf))]), [Fate::Unchanged]);
    let before = counters(&format!("{own}/mon_groups/{monitoring}"), "mbm_total_bytes").iter().sum::<f64>();
    assert!(before > 0.0 && members(&own).len() == 2);
    control.restore();
    assert_eq!(controls(), [""; 0]);
    until(&mut sampler, |tick| total(tick).is_some() && ours("") == [monitoring.clone()]);
}
