//! How metrics come to storages: through filters, and by several arguments of a runner.

use super::Reader;
use crate::model::{Runner, Storage, StorageId};

/// How many ways lead to each storage, by its number: a storage that several arguments name, or to which several filters lead,
/// has several.
fn ways(runner: &Runner, storages: &[Storage]) -> Vec<usize> {
    let mut ways = vec![0; storages.len()];
    let add = |ways: &mut [usize], StorageId(to): StorageId, more: usize| {
        if let Some(count) = ways.get_mut(to) {
            *count = count.saturating_add(more);
        }
    };
    let named = [Some(runner.measurement().metrics_storage), runner.anomalies_storage(), runner.allocations_storage()];
    for storage in named.into_iter().flatten() {
        add(&mut ways, storage, 1);
    }
    // Those inside of a filter stand before it.
    for (number, storage) in storages.iter().enumerate().rev() {
        if let Storage::Filter(filter) = storage {
            for inner in &filter.storages {
                let more = ways[number];
                add(&mut ways, *inner, more);
            }
        }
    }
    ways
}

impl Reader<'_> {
    /// Refuses a file that would hold only the last of what an iteration brings.
    pub(super) fn check_overwritten(&mut self, runner: &Runner) {
        let ways = ways(runner, &self.storages);
        let wrong = self.storages.iter().zip(ways).filter_map(|(storage, ways)| match storage {
            Storage::Log(log) if log.overwrite && ways > 1 => {
                Some((log.place.clone(), log.output_filename.clone().unwrap_or_default(), ways))
            }
            _ => None,
        });
        for (place, path, ways) in wrong.collect::<Vec<_>>() {
            self.error_with_help(
                &place,
                format!(
                    "{ways} ways lead to this `!LogStorage`, and what comes by the last one replaces {path} as a whole"
                ),
                "give each argument and each filter a file of its own, or write `overwrite: false`".into(),
            );
        }
    }
}
