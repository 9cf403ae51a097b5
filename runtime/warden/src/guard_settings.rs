//! Whom the operator protects, and whether that can be watched.

use wca_config::{Interval, Place, Runner};
use wca_kernel::definitions;
use wca_model::Signal;
use wca_rules::{FEWEST_SAMPLES, Protect};

/// Events that `cpi` needs.
const CPI: [&str; 2] = ["cycles", "instructions"];

/// Whom a runner protects.
pub(crate) fn protects(control: &wca_config::Control) -> Vec<Protect> {
    control.protect.iter().map(protect).collect()
}

fn protect(protect: &wca_config::Protect) -> Protect {
    Protect {
        name: protect.name.clone(),
        place: format!("{}:{}", protect.place.source, protect.place.line),
        tasks: protect.tasks.clone(),
        except: protect.except.clone(),
        cgroups: protect.cgroups.clone(),
        floor: protect.floor.unwrap_or_else(|| protect.signal.floor()),
        signal: protect.signal.clone(),
        worse: protect.worse,
        worsening: protect.worsening,
        window: protect.window,
        compare_with: protect.compare_with,
    }
}

/// What a runner wants to be watched and cannot be: where, what is wrong, and what would be right.
#[must_use]
pub fn wrong_guards(runner: &Runner) -> Vec<(Place, String, String)> {
    let Some(control) = runner.control() else { return Vec::new() };
    let wrong = control.protect.iter().flat_map(|protect| [of_signal(protect, runner), of_window(protect, runner)]);
    wrong.flatten().collect()
}

fn of_signal(protect: &wca_config::Protect, runner: &Runner) -> Option<(Place, String, String)> {
    let measurement = runner.measurement();
    let wrong = |what: String, help: String| Some((protect.signal_place.clone(), what, help));
    match &protect.signal {
        Signal::Cpi => {
            let events = &measurement.event_names.names;
            let missing = CPI.iter().find(|event| events.iter().all(|(name, _)| name != *event))?;
            let help = format!("`event_names` of `!MeasurementRunner` with {} among them", CPI.join(" and "));
            wrong(format!("`signal` is cpi, and `event_names` does not have `{missing}`"), help)
        }
        Signal::Metric(name) => {
            let mut names: Vec<String> =
                definitions().into_iter().filter(|one| one.info.per_task).map(|one| one.info.name).collect();
            if names.contains(name) {
                return None;
            }
            names.sort_unstable();
            let what = format!("`signal` names the metric `{name}`, which the warden does not measure of tasks");
            wrong(what, format!("there are {}; `wca metrics` says what they are", names.join(", ")))
        }
        Signal::PsiCpu | Signal::PsiMemory | Signal::Throttling => None,
    }
}

fn of_window(protect: &wca_config::Protect, runner: &Runner) -> Option<(Place, String, String)> {
    let place = protect.window_place.clone();
    let Interval::Every(interval) = runner.measurement().interval else {
        let what = "`protect` watches what comes of changes, and with `action_delay: null` there is one iteration only";
        return Some((place, what.into(), "an `action_delay` in seconds".into()));
    };
    let fewest = u32::try_from(FEWEST_SAMPLES).unwrap_or(u32::MAX);
    let least = interval * fewest;
    let seconds = |time: std::time::Duration| time.as_secs_f64();
    (protect.window < least).then(|| {
        let (window, interval) = (seconds(protect.window), seconds(interval));
        let what =
            format!("`window` is {window} s, in which an interval of {interval} s has fewer than {fewest} samples");
        (place, what, format!("{} or more", seconds(least)))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;
    use wca_config::{KnownGuest, Role, Surroundings, load};
    use wca_model::{CompareWith, Worse};

    use super::*;

    fn read(measurement: &str, protect: &str) -> Runner {
        let guests = [KnownGuest { tag: "NOPAllocator".into(), role: Some(Role::Allocator) }];
        let around = Surroundings {
            source: "c.yaml",
            environment: &|_| None,
            readable: &|_| Ok(()),
            guests: &guests,
            other_guests: false,
        };
        let text = format!(
            "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner {{node: !CgroupNode {measurement}}}\n  \
             allocator: !NOPAllocator\n  protect:\n  - !Protect {{name: a, {protect}}}\n"
        );
        load(&text, &around).unwrap().runner
    }

    #[rstest]
    #[case::nothing_is_wrong("", "signal: psi_cpu", "")]
    #[case::a_metric("", "signal: {metric: task_cpu_usage_seconds}", "")]
    #[case::three_intervals(", action_delay: 2", "signal: cpi, window: 6", "")]
    #[case::no_metric(
        "",
        "signal: {metric: task_cpu}",
        "c.yaml:5: `signal` names the metric `task_cpu`, which the warden does not measure of tasks"
    )]
    #[case::of_the_machine(
        "",
        "signal: {metric: platform_pressure_seconds}",
        "c.yaml:5: `signal` names the metric `platform_pressure_seconds`, which the warden does not measure of tasks"
    )]
    #[case::no_events(
        ", event_names: [instructions]",
        "signal: cpi",
        "c.yaml:5: `signal` is cpi, and `event_names` does not have `cycles`"
    )]
    #[case::too_short(
        ", action_delay: 2",
        "signal: psi_cpu, window: 5",
        "c.yaml:5: `window` is 5 s, in which an interval of 2 s has fewer than 3 samples"
    )]
    #[case::once(
        ", action_delay: null",
        "signal: psi_cpu",
        "c.yaml:5: `protect` watches what comes of changes, and with `action_delay: null` there is one iteration only"
    )]
    fn what_cannot_be_watched(#[case] measurement: &str, #[case] protect: &str, #[case] expected: &str) {
        let found = wrong_guards(&read(measurement, protect));
        let told: Vec<String> =
            found.iter().map(|(place, what, _)| format!("{}:{}: {what}", place.source, place.line)).collect();
        assert_eq!(told.join("\n"), expected);
        if expected.contains("metric") {
            assert!(found[0].2.contains("task_cpu_usage_seconds"), "{found:?}");
        }
    }

    #[test]
    fn every_word_of_the_operator_arrives() {
        let runner = read(
            "",
            "labels: {app: db}, except: {x: y}, cgroups: [/a], signal: {metric: task_ipc}, worse: lower, worsening: 0.5, \
             window: 30, compare_with: peers",
        );
        let expected = Protect {
            name: "a".into(),
            place: "c.yaml:5".into(),
            tasks: vec![("app".into(), "db".into())],
            except: vec![("x".into(), "y".into())],
            cgroups: vec!["/a".into()],
            signal: Signal::Metric("task_ipc".into()),
            worse: Worse::Lower,
            worsening: 0.5,
            floor: 0.0,
            window: Duration::from_secs(30),
            compare_with: CompareWith::Peers,
        };
        assert_eq!(protects(runner.control().unwrap()), [expected]);
        let runner = read("", "signal: cpi");
        let expected = Protect { place: "c.yaml:5".into(), ..Protect::of("a", Signal::Cpi) };
        assert_eq!(protects(runner.control().unwrap()), [expected]);
    }
}
