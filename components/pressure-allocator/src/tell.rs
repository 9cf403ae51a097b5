//! What the operator is told.

use wca_guest::types::{Contended, Key, Refusal, Sample};
use wca_guest::{log, report};

use crate::ladder::Ladder;
use crate::roster::RESOURCES;
use crate::signal::Pressure;
use crate::view::View;

/// Most culprits that a contention names: those that use the most.
const CULPRITS: usize = 10;

/// What was done so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) squeezes: u32,
    pub(crate) releases: u32,
}

/// Says which protected tasks wait longer than they may, where that is so for longer than a tick.
pub(crate) fn contentions(view: &View<'_>, pressures: &[Pressure], worst: f64) -> Result<(), String> {
    let mut culprits: Vec<(f64, Key)> = view.usage.iter().map(|(key, used)| (*used, *key)).collect();
    culprits.sort_by(|one, other| other.0.total_cmp(&one.0));
    let culprits: Vec<Key> =
        culprits.into_iter().filter(|(used, _)| *used > 0.0).map(|(_, key)| key).take(CULPRITS).collect();
    for pressure in pressures.iter().filter(|pressure| worst > 1.0 && pressure.share > pressure.target) {
        let about = if pressure.resource == 0 { Contended::Cpus } else { Contended::Unknown };
        let resource = RESOURCES[pressure.resource];
        let evidence = [
            Sample::gauge("pressure_allocator_victim_pressure", pressure.share)
                .label("resource", resource)
                .help("Share of the last interval in which the task that suffers waited."),
            Sample::gauge("pressure_allocator_victim_target", pressure.target)
                .label("resource", resource)
                .help("The same, at most, as the configuration has it."),
        ];
        if !is_taken(report::contention(about, pressure.key, &culprits, &evidence))? {
            break;
        }
    }
    Ok(())
}

/// The metrics of the policy.
pub(crate) fn metrics(
    view: &View<'_>,
    pressures: &[Pressure],
    worst: f64,
    ladder: &Ladder,
    counts: Counts,
) -> Result<(), String> {
    let mut samples = vec![
        Sample::counter("pressure_allocator_squeezes", f64::from(counts.squeezes))
            .help("Times that best-effort tasks were squeezed."),
        Sample::counter("pressure_allocator_releases", f64::from(counts.releases))
            .help("Times that a step was given back to best-effort tasks."),
    ];
    if worst.is_finite() {
        let worst = Sample::gauge("pressure_allocator_worst", worst);
        samples.push(
            worst.help("Greatest pressure of a protected task since the last change, as multiple of its target."),
        );
    }
    for means in &ladder.means {
        for (key, value) in means.limits() {
            let limit = Sample::gauge("pressure_allocator_limit", value).label("kind", means.lever.kind());
            let limit = limit.help(
                "Limit of a best-effort task, or of all alike: part of all processors, ways, or the unit of bandwidth.",
            );
            let task = key.and_then(|key| view.roster.best_effort.get(&key));
            samples.push(match task {
                Some(task) => limit.label("task_id", task.id.as_str()),
                None => limit,
            });
        }
    }
    for Pressure { key, resource, share, target } in pressures {
        let Some(task) = view.roster.protected.get(key) else { continue };
        let of_task =
            |sample: Sample| sample.label("task_id", task.id.as_str()).label("resource", RESOURCES[*resource]);
        let pressure = Sample::gauge("pressure_allocator_pressure", *share);
        samples.push(of_task(pressure.help("Share of the last interval in which the task waited.")));
        let target = Sample::gauge("pressure_allocator_target", *target);
        samples.push(of_task(target.help("The same, at most, as the configuration has it.")));
    }
    for sample in samples {
        if !is_taken(report::metric(&sample))? {
            break;
        }
    }
    Ok(())
}

/// Whether a report was taken; where there were too many, the rest is left out.
fn is_taken(answer: Result<(), Refusal>) -> Result<bool, String> {
    match answer {
        Ok(()) => Ok(true),
        Err(Refusal::TooMany) => {
            log::debug!("more to report than one call may");
            Ok(false)
        }
        Err(why) => Err(why.text()),
    }
}
