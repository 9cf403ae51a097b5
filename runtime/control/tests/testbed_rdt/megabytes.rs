//! Bandwidth in MB per second.

use wca_model::Fate;
use wca_model::platform::BandwidthUnit;

use crate::requests::{ask, control, controls, machine, mb, quiet, roster, schemata, settings, why};

#[test]
#[ignore = "runs inside the test bed"]
fn a_limit_in_megabytes_is_none_in_percent() {
    assert_eq!(machine().bandwidth.unwrap().unit, BandwidthUnit::MegabytesPerSecond);
    let all = [quiet("one"), quiet("two")];
    let tasks = roster(&all.each_ref());
    let mut control = control(settings());
    assert_eq!(ask(&mut control, &tasks, &[(0, mb(0, 4005)), (1, mb(0, 4005))]), [Fate::Applied, Fate::Applied]);
    let names = controls();
    assert_eq!(names.len(), 2, "each has so many for itself");
    for name in &names {
        let lines = schemata(name);
        assert!(lines.iter().any(|line| line.starts_with("MB:0=4005;1=4294967295")), "{lines:?}");
    }
    let [fate] = ask(&mut control, &tasks, &[(0, mb(0, 5))]).try_into().unwrap();
    assert!(why(&fate).contains("rdt_mb 5 MBps"), "{fate:?}");
    control.restore();
    assert_eq!(controls(), [""; 0]);
}
