//! How a run ends.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rustix::process::Signal;

use crate::common::Finished;
use crate::setup::Setup;

const GOOD: &str = "runner: !MeasurementRunner\n  action_delay: 0.1\n  node: !StaticNode {tasks: []}\n  metrics_storage: \
                    !LogStorage {output_filename: FOLDER/metrics.prom}\n";

/// `wca` with these arguments, in which `FILE` is the configuration.
fn wca(setup: &Setup, line: &str) -> Finished {
    let file = setup.path("config.yaml").display().to_string();
    let words = line.split_whitespace().map(|word| word.replace("FILE", &file));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
    Finished::of(&command.args(words).arg("--run-dir").arg(setup.path("run")).output().unwrap())
}

#[test]
fn wrong_command_lines() {
    let setup = Setup::with(GOOD);
    let is_root = rustix::process::geteuid().is_root();
    let cases = [
        ("-c FILE --iterations 1", if is_root { 2 } else { 0 }, if is_root { "add --root" } else { "" }),
        ("run -c FILE --iterations 1", if is_root { 2 } else { 0 }, if is_root { "add --root" } else { "" }),
        ("-c FILE -0 --iterations 1", 0, ""),
        ("-c FILE --root --nonsense", 2, "unexpected argument '--nonsense'"),
        (
            "-c FILE --root --interval 1s",
            2,
            "the argument '--config <FILE>' cannot be used with '--interval <DURATION>'",
        ),
        ("-c FILE --root --component NOPAllocator", 2, "cannot be used with '--component <X.wasm>'"),
        (
            "-c FILE --root -l wca:loud",
            2,
            "`loud` is no level; levels are CRITICAL, ERROR, WARNING, INFO, DEBUG, TRACE",
        ),
        ("-c FILE --root -l a:b:debug", 2, "invalid value 'a:b:debug'"),
        ("-c FILE --root --iterations 0", 2, "at least 1 is expected"),
        ("-c /no/such.yaml --root", 1, "wca: /no/such.yaml: it cannot be opened: No such file or directory"),
        ("-c /proc --root", 1, "wca: /proc: this is no file; a configuration is a file such as config.yaml"),
        ("-c FILE --root -r package.module:Class", 1, "Python is not loaded into WCA"),
        ("-c FILE --root -r X=/no/such.wasm", 1, "wca: /no/such.wasm: it cannot be opened: No such file or directory"),
        ("-c FILE --root --limit memry=1", 1, "`memry` is no limit"),
        ("check -c FILE", 0, ""),
        ("reload", 1, "no warden answers in"),
    ];
    for (line, code, said) in cases {
        let finished = wca(&setup, line);
        assert_eq!(finished.code, Some(code), "{line}: {finished:#?}");
        assert!(finished.stderr.contains(said), "{line}: expected {said}: {finished:#?}");
    }
}

#[test]
fn a_start_that_fails_never_ends_with_zero() {
    let measured = |rest: &str| format!("runner: !MeasurementRunner\n  node: !CgroupNode \n{rest}");
    let mut cases = vec![
        (String::new(), "config.yaml"),
        ("runner: !MeasurementRunner\n  node: [\n".into(), "config.yaml:3:1"),
        ("loggers: {wca: info}\n".into(), "runner"),
        ("runner: !Unknown\n".into(), "one of your own is registered with `-r Unknown=X.wasm`"),
        (measured("  metrics_storage: !LogStorage {output_filename: /no/such/file}\n"), "/no/such/file cannot be written"),
        ("runner: !DetectionRunner {measurement_runner: !MeasurementRunner {node: !CgroupNode }, detector: !BusyTask \
          {threshold: -1.0}}\n"
            .into(),
         "`!BusyTask` refuses its arguments: threshold -1"),
        ("runner: !DetectionRunner {measurement_runner: !MeasurementRunner {node: !CgroupNode }, detector: !BusyTask \
          {treshold: 1.0}}\n"
            .into(),
         "unknown key"),
        ("components: {Mine: {path: /proc/version}}\nrunner: !Mine {measurement_runner: !MeasurementRunner {node: !CgroupNode \
          }}\n"
            .into(),
         "/proc/version"),
    ];
    for (key, name, said) in [
        ("event_names", "foo", "config.yaml:3:17"),
        ("event_names", "x__r01", "has 2 hexadecimal digits behind __r"),
        ("uncore_event_names", "some_event", "no event is called \"some_event\""),
    ] {
        cases.push((measured(&format!("  {key}: [{name}]\n")), said));
    }
    if !fs::exists("/sys/fs/resctrl/tasks").unwrap() {
        cases.push((
            measured("  rdt_enabled: true\n"),
            "`rdt_enabled` is true, but resctrl is not mounted on this machine",
        ));
    }
    for (yaml, said) in cases {
        let setup = Setup::with(&yaml);
        for arguments in [&["--iterations", "1"][..], &["--iterations", "1", "--log-format", "json"]] {
            let finished = setup.run(arguments);
            assert_eq!(finished.code, Some(1), "{yaml}: {finished:#?}");
            let text = finished.stderr.replace("\\\"", "\"");
            assert!(text.contains(said), "{yaml}: expected {said}: {finished:#?}");
        }
    }
}

#[test]
fn what_is_wrong_with_the_file_is_shown_in_its_line() {
    let setup = Setup::with("runner: !MeasurementRunner\n  nod: !CgroupNode\n");
    let finished = setup.run(&[]);
    finished
        .ends_with(1)
        .says("config.yaml:2:3\n")
        .says("2 |   nod: !CgroupNode\n  |   ^^^\n")
        .says("did you mean `node`?");
}

#[test]
fn a_file_that_others_could_have_written_is_not_read() {
    let setup = Setup::with(GOOD);
    let path = setup.path("config.yaml");
    for (mode, is_taken) in [(0o646, false), (0o602, false), (0o664, true), (0o600, true)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let finished = setup.run(&["--iterations", "1"]);
        assert_eq!(finished.code, Some(i32::from(!is_taken)), "{mode:o}: {finished:#?}");
        if !is_taken {
            let shown = path.display();
            finished.says(&format!(
                "wca: {shown}: everybody may write it (mode {mode:o}); take that right away: chmod o-w {shown}\n"
            ));
        }
    }
}

#[test]
fn a_signal_ends_after_the_tick_and_all_of_it_is_stored() {
    for signal in [Signal::TERM, Signal::INT] {
        for overwrite in [false, true] {
            let setup = Setup::with(&GOOD.replace("metrics.prom", &format!("metrics.prom, overwrite: {overwrite}")));
            let mut started = setup.start(&[]);
            started.until_ticks("metrics.prom", if overwrite { 1 } else { 3 });
            started.signal(signal);
            started.finish().ends_with(0);
            let text = setup.read("metrics.prom");
            let last = text.lines().rfind(|line| !line.is_empty()).unwrap();
            assert!(last.starts_with("wca_warning_count{"), "{signal:?}: cut off at {last}");
            assert!(text.ends_with(if overwrite { "\n" } else { "\n\n" }));
        }
    }
}

#[test]
fn a_check_is_no_second_agent() {
    let setup = Setup::with(GOOD);
    wca(&setup, "check -c FILE").ends_with(0);
    assert!(!setup.path("run").exists(), "the folder of a run is taken by a run alone");
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 1);
    for (yaml, code, said) in [(GOOD, 0, ""), ("runner: 1\n", 1, "config.yaml:1:9")] {
        setup.configure(yaml);
        let finished = wca(&setup, "check -c FILE");
        finished.ends_with(code).says(said);
        let right = format!("{}: nothing is wrong\n", setup.path("config.yaml").display());
        assert_eq!(finished.stdout, if code == 0 { right.as_str() } else { "" });
        assert_eq!(finished.stderr.is_empty(), code == 0, "{finished:#?}");
    }
    started.stop().ends_with(0);
}
