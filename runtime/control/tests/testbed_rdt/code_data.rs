//! Ways for code and for data (resctrl mounted with `cdp`).

use wca_model::request::Ways;
use wca_model::{Change, Fate};

use crate::requests::{ask, control, controls, l3, machine, quiet, roster, schemata, settings};

#[test]
#[ignore = "runs inside the test bed"]
fn code_and_data_of_a_task_have_ways_apart() {
    assert!(machine().l3.unwrap().code_data);
    let busy = quiet("cdp");
    let tasks = roster(&[&busy]);
    let mut control = control(settings());
    let code = Change::RdtL3Code(Ways { domain: 0, mask: 0x3 });
    assert_eq!(
        ask(&mut control, &tasks, &[(0, l3(0, 0xf)), (0, l3(1, 0xf)), (0, code)]),
        [Fate::Applied, Fate::Applied, Fate::Applied]
    );
    let [name] = controls().try_into().unwrap();
    assert_eq!(schemata(&name)[..2], ["L3CODE:0=003;1=00f", "L3DATA:0=00f;1=00f"]);
    let data = Change::RdtL3Data(Ways { domain: 1, mask: 0xf0 });
    assert_eq!(ask(&mut control, &tasks, &[(0, data)]), [Fate::Applied]);
    assert_eq!(schemata(&name)[..2], ["L3CODE:0=003;1=00f", "L3DATA:0=00f;1=0f0"]);
    control.restore();
    assert_eq!(controls(), [""; 0]);
}
