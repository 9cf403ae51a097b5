//! Pages of processes: on which NUMA node they lie, and moving them (move_pages(2)).

mod areas;
mod call;
mod mover;
mod process;
mod room;

pub use mover::{Job, Moved, Mover};
pub use room::free_bytes;

use std::path::PathBuf;

use crate::{KernelError, Roots};

/// Bytes of processes on each NUMA node, as /proc/PID/numa_maps counts them: pages that several processes share count in each.
///
/// Processes that have ended count nothing.
///
/// # Errors
/// A file cannot be read or understood.
pub fn bytes_on_nodes(roots: &Roots, processes: &[u32]) -> Result<Vec<(u32, u64)>, KernelError> {
    let mut nodes: Vec<(u32, u64)> = Vec::new();
    for process in processes {
        for area in areas::areas(roots, *process)? {
            for (node, pages) in &area.pages {
                let bytes = pages * area.page_size;
                match nodes.iter_mut().find(|(known, _)| known == node) {
                    Some((_, sum)) => *sum += bytes,
                    None => nodes.push((*node, bytes)),
                }
            }
        }
    }
    nodes.sort_unstable();
    Ok(nodes)
}

fn proc_file(roots: &Roots, process: u32, file: &str) -> PathBuf {
    roots.path(format!("/proc/{process}/{file}"))
}
