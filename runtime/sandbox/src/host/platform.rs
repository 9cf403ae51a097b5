//! `wca:policy/platform`: facts about the machine.

use wca_model::platform::CacheControl;

use crate::bindings::platform::{Cpu, Host};
use crate::state::State;

impl Host for State {
    fn host(&mut self) -> wasmtime::Result<String> {
        Ok(self.platform.host.clone())
    }

    fn cpu_model(&mut self) -> wasmtime::Result<String> {
        Ok(self.platform.cpu_model.clone())
    }

    fn cpus(&mut self) -> wasmtime::Result<Vec<Cpu>> {
        let cpus = self.platform.cpus.iter();
        Ok(cpus.map(|cpu| Cpu { id: cpu.id, core: cpu.core, socket: cpu.socket, node: cpu.node }).collect())
    }

    fn nodes(&mut self) -> wasmtime::Result<Vec<u32>> {
        Ok(self.platform.nodes.iter().map(|node| node.id).collect())
    }

    fn node_memory(&mut self, node: u32) -> wasmtime::Result<u64> {
        Ok(self.platform.node(node).map_or(0, |node| node.memory))
    }

    fn node_distances(&mut self, node: u32) -> wasmtime::Result<Vec<u32>> {
        Ok(self.platform.node(node).map(|node| node.distances.clone()).unwrap_or_default())
    }

    fn swap(&mut self) -> wasmtime::Result<bool> {
        Ok(self.platform.swap)
    }

    fn l3_domains(&mut self) -> wasmtime::Result<Vec<u32>> {
        Ok(domains(self.platform.l3.as_ref()))
    }

    fn l3_mask(&mut self) -> wasmtime::Result<u64> {
        Ok(self.platform.l3.as_ref().map_or(0, |cache| cache.mask))
    }

    fn l3_min_ways(&mut self) -> wasmtime::Result<u32> {
        Ok(self.platform.l3.as_ref().map_or(0, |cache| cache.min_ways))
    }

    fn l3_contiguous(&mut self) -> wasmtime::Result<bool> {
        Ok(self.platform.l3.as_ref().is_some_and(|cache| cache.contiguous))
    }

    fn l3_code_data(&mut self) -> wasmtime::Result<bool> {
        Ok(self.platform.l3.as_ref().is_some_and(|cache| cache.code_data))
    }

    fn l2_domains(&mut self) -> wasmtime::Result<Vec<u32>> {
        Ok(domains(self.platform.l2.as_ref()))
    }

    fn l2_mask(&mut self) -> wasmtime::Result<u64> {
        Ok(self.platform.l2.as_ref().map_or(0, |cache| cache.mask))
    }

    fn l2_min_ways(&mut self) -> wasmtime::Result<u32> {
        Ok(self.platform.l2.as_ref().map_or(0, |cache| cache.min_ways))
    }

    fn l2_contiguous(&mut self) -> wasmtime::Result<bool> {
        Ok(self.platform.l2.as_ref().is_some_and(|cache| cache.contiguous))
    }

    fn bandwidth_domains(&mut self) -> wasmtime::Result<Vec<u32>> {
        Ok(self.platform.bandwidth.as_ref().map(|limit| limit.domains.clone()).unwrap_or_default())
    }

    fn bandwidth_unit(&mut self) -> wasmtime::Result<String> {
        Ok(self.platform.bandwidth.as_ref().map(|limit| limit.unit.as_str().to_owned()).unwrap_or_default())
    }

    fn bandwidth_range(&mut self) -> wasmtime::Result<(u32, u32)> {
        Ok(self.platform.bandwidth.as_ref().map_or((0, 0), |limit| (limit.min, limit.step)))
    }

    fn groups(&mut self) -> wasmtime::Result<u32> {
        Ok(self.platform.groups)
    }
}

fn domains(cache: Option<&CacheControl>) -> Vec<u32> {
    cache.map(|cache| cache.domains.clone()).unwrap_or_default()
}
