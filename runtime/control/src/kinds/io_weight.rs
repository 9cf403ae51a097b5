//! `io_weight`: a relative share of I/O under contention.

use wca_kernel::Version;
use wca_rules::weights::{bfq_weight, cfq_weight};

use super::place::{IO, Place, nearest};
use crate::context::Context;
use crate::plan::Planned;
use crate::tasks::ControlledTask;

/// Of the kernel's cost model, and of the scheduler BFQ: which of them divides the I/O of a device depends on the device's own
/// settings, so that both get the weight where both are there.
const COST: &str = "io.weight";
const BFQ: &str = "io.bfq.weight";
const BFQ_V1: &str = "blkio.bfq.weight";
const CFQ_V1: &str = "blkio.weight";

pub(super) fn plan(weight: u32, task: &ControlledTask, context: &Context<'_>) -> Result<Planned, String> {
    let place = Place::find(&IO, task, context)?;
    let weight = u64::from(weight);
    let (bfq, bfq_is_clamped) = bfq_weight(weight);
    let (cfq, cfq_is_clamped) = cfq_weight(weight);
    let files: &[(&str, &str, u64, bool)] = match place.version {
        Version::V1 => &[(BFQ_V1, "", bfq, bfq_is_clamped), (CFQ_V1, "", cfq, cfq_is_clamped)],
        Version::V2 => &[(COST, "default ", weight, false), (BFQ, "default ", bfq, bfq_is_clamped)],
    };
    let (mut steps, mut adjusted) = (Vec::new(), None);
    for (file, word, number, is_clamped) in files {
        let Some(found) = place.read(file)? else { continue };
        let in_force = found.strip_prefix(word).unwrap_or(&found);
        let value = nearest(in_force, *number);
        steps.push(place.step(file, format!("{word}{value}")));
        if *is_clamped {
            adjusted = Some(value);
        }
    }
    if steps.is_empty() {
        if !place.is_enabled() {
            let step = place.step(COST, format!("default {weight}"));
            return Ok(place.planned(vec![step], None));
        }
        let names: Vec<&str> = files.iter().map(|(file, ..)| *file).collect();
        return Err(format!(
            "{} is not there, nor {}: neither the kernel's I/O cost model nor a scheduler with weights is there",
            place.spot(names[0]),
            names[1]
        ));
    }
    Ok(place.planned(steps, adjusted))
}
