//! Memory modules, where the machine can tell.

use crate::setup::Setup;

fn setup(gather: &str) -> Setup {
    Setup::with(&format!(
        "runner: !MeasurementRunner\n  node: !StaticNode {{tasks: []}}\n  gather_hw_mm_topology: {gather}\n  action_delay: 0.05\n  \
         metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n"
    ))
}

#[test]
fn memory_modules_are_measured_where_the_machine_can_tell_and_are_an_error_only_where_they_must_be() {
    let can_tell = std::fs::read("/sys/firmware/dmi/tables/DMI").is_ok();
    for gather in ["false", "null", "true"] {
        let setup = setup(gather);
        let finished = setup.run(&["--iterations", "2"]);
        if gather == "true" && !can_tell {
            finished
                .ends_with(1)
                .says("`gather_hw_mm_topology` is true, but the firmware's table of memory modules is not there");
            assert!(setup.lines("metrics.prom").is_empty());
            continue;
        }
        finished.ends_with(0);
        let counts = setup.lines("metrics.prom").iter().filter(|line| line.name == "platform_dimm_count").count();
        // Firmware may describe none.
        let is_right = if gather == "false" || !can_tell { counts == 0 } else { counts == 4 || counts == 0 };
        assert!(is_right, "{gather}: {counts}");
    }
}
