//! A machine on which best-effort tasks make protected ones wait, as a simple model with noise from a seed.

use std::collections::HashMap;

use wca_model::{Fate, InForce, Kind, Platform};

use crate::harness::{BuiltIn, Scene, Tick, machine};

/// Processors of the machine.
const PROCESSORS: f64 = 8.0;

/// A best-effort task.
#[derive(Clone, Debug)]
pub(super) struct Hog {
    pub(super) id: String,
    /// Part of all processors that it uses when nothing limits it.
    pub(super) wants: f64,
}

/// A protected task.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) id: String,
    /// Share of time in which it waits whatever the others do.
    pub(super) alone: f64,
    /// How much longer it waits for each part of all processors that a hog uses.
    pub(super) by_time: f64,
    /// The same for a hog with all ways of the cache.
    pub(super) by_cache: f64,
    /// The same for a hog with all bandwidth.
    pub(super) by_bandwidth: f64,
    /// Whether it is measured.
    pub(super) is_seen: bool,
}

/// The machine, its tasks, and the policy.
pub(super) struct Plant {
    pub(super) hogs: Vec<Hog>,
    pub(super) services: Vec<Service>,
    /// The noise: each pressure is off by this part of it at most.
    pub(super) noise: f64,
    /// What becomes of requests.
    pub(super) fate: Fate,
    pub(super) scene: Scene,
    pub(super) policy: BuiltIn,
    /// True pressure of each service in the last interval, without noise.
    pub(super) pressures: Vec<f64>,
    outcomes: Vec<(String, Kind, Option<u32>, Fate)>,
    /// Seconds so far, of each task.
    seconds: HashMap<String, f64>,
    random: u64,
}

/// A task that waits `alone`, and longer by the processor time of hogs.
pub(super) fn service(id: &str, alone: f64, by_time: f64) -> Service {
    Service { id: id.into(), alone, by_time, by_cache: 0.0, by_bandwidth: 0.0, is_seen: true }
}

pub(super) fn hog(id: &str, wants: f64) -> Hog {
    Hog { id: id.into(), wants }
}

/// Without resctrl.
pub(super) fn plain() -> Platform {
    machine(&[(0, &[0, 1, 2, 3, 4, 5, 6, 7], 1 << 30)])
}

impl Plant {
    pub(super) fn new(yaml: &str, platform: Platform, seed: u64) -> Self {
        let policy = BuiltIn::start("components/pressure-allocator", yaml, platform).unwrap();
        Self {
            hogs: Vec::new(),
            services: Vec::new(),
            noise: 0.0,
            fate: Fate::Applied,
            scene: Scene::new(),
            policy,
            pressures: Vec::new(),
            outcomes: Vec::new(),
            seconds: HashMap::new(),
            random: seed,
        }
    }

    pub(super) fn with(mut self, services: &[Service], hogs: &[Hog]) -> Self {
        (self.services, self.hogs) = (services.to_vec(), hogs.to_vec());
        self
    }

    /// What is in force of a task.
    pub(super) fn in_force(&mut self, id: &str) -> &mut InForce {
        &mut self.scene.task(id).in_force
    }

    /// Its quota; 1 is none.
    pub(super) fn quota(&mut self, id: &str) -> f64 {
        self.in_force(id).cpu_quota.unwrap_or(1.0)
    }

    /// Ways and bandwidth that it has in domain 0.
    pub(super) fn rdt(&mut self, id: &str) -> (u32, u32) {
        let rdt = self.in_force(id).rdt.clone().unwrap_or_default();
        let first = |mut values: std::vec::IntoIter<u32>| values.next();
        let ways: Vec<u32> = rdt.l3.iter().map(|(_, mask)| mask.count_ones()).collect();
        let mb: Vec<u32> = rdt.mb.iter().map(|(_, limit)| *limit).collect();
        (first(ways.into_iter()).unwrap_or(11), first(mb.into_iter()).unwrap_or(100))
    }

    /// Part of all processors that a hog uses now.
    pub(super) fn used(&mut self, hog: &Hog) -> f64 {
        hog.wants.min(self.quota(&hog.id))
    }

    /// One second, and a call.
    pub(super) fn tick(&mut self) -> Tick {
        let (mut time, mut ways, mut mb) = (0.0, 0, 0);
        for hog in self.hogs.clone() {
            let used = self.used(&hog);
            let rdt = self.rdt(&hog.id);
            (time, ways, mb) = (time + used, ways.max(rdt.0), mb.max(rdt.1));
            let seconds = self.count(&hog.id, used * PROCESSORS);
            self.scene.task(&hog.id).label("qos", "batch").counter("task_cpu_usage_seconds", &[], seconds);
        }
        self.pressures.clear();
        for service in self.services.clone() {
            let by_rdt = service.by_cache * f64::from(ways) / 11.0 + service.by_bandwidth * f64::from(mb) / 100.0;
            let by_rdt = if self.hogs.is_empty() { 0.0 } else { by_rdt };
            let pressure = (service.alone + service.by_time * time + by_rdt).min(1.0);
            self.pressures.push(pressure);
            let noisy = (pressure * (1.0 + self.noise * self.centred())).clamp(0.0, 1.0);
            let seconds = self.count(&service.id, noisy);
            let seen = if service.is_seen { seconds } else { f64::NAN };
            let task = self.scene.task(&service.id).label("qos", "latency");
            task.counter("task_pressure_seconds", &[("resource", "cpu"), ("kind", "full")], 0.0);
            task.counter("task_pressure_seconds", &[("resource", "cpu"), ("kind", "some")], seen);
        }
        let outcomes: Vec<_> =
            self.outcomes.iter().map(|(task, kind, domain, fate)| (&**task, *kind, *domain, fate.clone())).collect();
        let tick = self.policy.tick_after(&self.scene, &outcomes).clean();
        if !matches!(self.fate, Fate::Failed(_) | Fate::Shadowed) {
            self.scene.apply(&tick);
        }
        self.outcomes = tick
            .requests
            .iter()
            .map(|request| {
                (tick.id(request.task).to_owned(), request.change.kind(), request.change.domain(), self.fate.clone())
            })
            .collect();
        tick
    }

    /// So many calls, and the quota of a hog after each.
    pub(super) fn quotas(&mut self, id: &str, ticks: usize) -> Vec<f64> {
        let quota = |plant: &mut Self| {
            plant.tick();
            plant.quota(id)
        };
        (0..ticks).map(|_| quota(self)).collect()
    }

    fn count(&mut self, id: &str, more: f64) -> f64 {
        let seconds = self.seconds.entry(id.into()).or_default();
        *seconds += more;
        *seconds
    }

    /// Ends a task, and what was asked for it.
    pub(super) fn end(&mut self, id: &str) {
        self.hogs.retain(|hog| hog.id != id);
        self.services.retain(|service| service.id != id);
        self.outcomes.retain(|(task, ..)| task != id);
        self.scene.end(id);
    }

    /// What became of the last requests, from outside.
    pub(super) fn revert(&mut self, why: &str) {
        for (task, _, _, fate) in &mut self.outcomes {
            *fate = Fate::Reverted(why.into());
            self.scene.task(task).in_force = InForce::default();
        }
    }

    /// Uniform from -1 to 1 (xorshift64, Marsaglia 2003).
    fn centred(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// How often a sequence of values turns from going up to going down or back.
pub(super) fn turns(values: &[f64]) -> usize {
    let ways: Vec<bool> = values.windows(2).filter(|two| two[0] != two[1]).map(|two| two[1] > two[0]).collect();
    ways.windows(2).filter(|two| two[0] != two[1]).count()
}
