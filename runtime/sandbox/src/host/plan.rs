//! `wca:policy/plan`: what an allocator asks for. Each request is judged at once by the rules that the warden has too.

use wca_model as model;
use wca_model::in_force::of_domain;
use wca_model::request::{Limit, Ways};
use wca_model::{Change, InForce, Kind, RdtInForce, Refusal as Why, Request};

use crate::bindings::plan::{Fate, Host, Outcome, Refusal};
use crate::state::{LogLevel, State};

type Answer = wasmtime::Result<Result<(), Refusal>>;

impl Host for State {
    fn cpu_quota(&mut self, task: u64, share: f64) -> Answer {
        self.ask("plan.cpu-quota", task, Change::CpuQuota(share))
    }

    fn cpu_shares(&mut self, task: u64, shares: f64) -> Answer {
        self.ask("plan.cpu-shares", task, Change::CpuShares(shares))
    }

    fn cpu_weight(&mut self, task: u64, weight: u32) -> Answer {
        self.ask("plan.cpu-weight", task, Change::CpuWeight(weight))
    }

    fn cpuset_cpus(&mut self, task: u64, cpus: Vec<u32>) -> Answer {
        self.ask("plan.cpuset-cpus", task, Change::CpusetCpus(cpus))
    }

    fn cpuset_mems(&mut self, task: u64, nodes: Vec<u32>) -> Answer {
        self.ask("plan.cpuset-mems", task, Change::CpusetMems(nodes))
    }

    fn cpuset_memory_migrate(&mut self, task: u64, follow: bool) -> Answer {
        self.ask("plan.cpuset-memory-migrate", task, Change::CpusetMemoryMigrate(follow))
    }

    fn migrate_pages(&mut self, task: u64, node: u32) -> Answer {
        self.ask("plan.migrate-pages", task, Change::MigratePages(node))
    }

    fn rdt_group(&mut self, task: u64, group: Option<String>) -> Answer {
        self.ask("plan.rdt-group", task, Change::RdtGroup(group))
    }

    fn rdt_l3(&mut self, task: u64, domain: u32, ways: u64) -> Answer {
        self.ask("plan.rdt-l3", task, Change::RdtL3(Ways { domain, mask: ways }))
    }

    fn rdt_l3_code(&mut self, task: u64, domain: u32, ways: u64) -> Answer {
        self.ask("plan.rdt-l3-code", task, Change::RdtL3Code(Ways { domain, mask: ways }))
    }

    fn rdt_l3_data(&mut self, task: u64, domain: u32, ways: u64) -> Answer {
        self.ask("plan.rdt-l3-data", task, Change::RdtL3Data(Ways { domain, mask: ways }))
    }

    fn rdt_l2(&mut self, task: u64, domain: u32, ways: u64) -> Answer {
        self.ask("plan.rdt-l2", task, Change::RdtL2(Ways { domain, mask: ways }))
    }

    fn rdt_mb(&mut self, task: u64, domain: u32, limit: u32) -> Answer {
        self.ask("plan.rdt-mb", task, Change::RdtMb(Limit { domain, value: limit }))
    }

    fn memory_high(&mut self, task: u64, bytes: Option<u64>) -> Answer {
        self.ask("plan.memory-high", task, Change::MemoryHigh(bytes))
    }

    fn memory_max(&mut self, task: u64, bytes: Option<u64>) -> Answer {
        self.ask("plan.memory-max", task, Change::MemoryMax(bytes))
    }

    fn memory_low(&mut self, task: u64, bytes: u64) -> Answer {
        self.ask("plan.memory-low", task, Change::MemoryLow(bytes))
    }

    fn io_weight(&mut self, task: u64, weight: u32) -> Answer {
        self.ask("plan.io-weight", task, Change::IoWeight(weight))
    }

    fn release(&mut self, task: u64, kind: String) -> Answer {
        match kind.parse::<Kind>() {
            Ok(kind) => self.ask("plan.release", task, Change::Release(kind)),
            Err(unknown) => Ok(self.counted(Err(Why::Invalid(unknown.to_string())))),
        }
    }

    fn in_force(&mut self, kind: String) -> wasmtime::Result<Vec<f64>> {
        let snapshot = self.now("plan.in-force")?;
        let kind = match kind.parse::<Kind>() {
            Ok(kind) => kind,
            Err(unknown) => {
                let rows = snapshot.rows();
                self.log(LogLevel::Warn, &format!("plan.in-force: {unknown}"));
                return Ok(vec![f64::NAN; rows]);
            }
        };
        if let Some(all) = snapshot.in_force() {
            return Ok(all.iter().map(|one| one.number(kind).unwrap_or(f64::NAN)).collect());
        }
        let rows = snapshot.rows();
        self.say_not_measured("plan.in-force");
        Ok(vec![f64::NAN; rows])
    }

    fn cpus_in_force(&mut self, task: u64) -> wasmtime::Result<Vec<u32>> {
        self.of_task("plan.cpus-in-force", task, |one| one.cpuset_cpus.clone())
    }

    fn mems_in_force(&mut self, task: u64) -> wasmtime::Result<Vec<u32>> {
        self.of_task("plan.mems-in-force", task, |one| one.cpuset_mems.clone())
    }

    fn group_in_force(&mut self, task: u64) -> wasmtime::Result<String> {
        self.of_task("plan.group-in-force", task, |one| one.rdt.as_ref().map(|rdt| rdt.group.clone()))
    }

    fn l3_in_force(&mut self, task: u64, domain: u32) -> wasmtime::Result<Option<u64>> {
        self.of_group("plan.l3-in-force", task, domain, |rdt| if rdt.l3.is_empty() { &rdt.l3_data } else { &rdt.l3 })
    }

    fn l3_code_in_force(&mut self, task: u64, domain: u32) -> wasmtime::Result<Option<u64>> {
        self.of_group("plan.l3-code-in-force", task, domain, |rdt| &rdt.l3_code)
    }

    fn l3_data_in_force(&mut self, task: u64, domain: u32) -> wasmtime::Result<Option<u64>> {
        self.of_group("plan.l3-data-in-force", task, domain, |rdt| &rdt.l3_data)
    }

    fn l2_in_force(&mut self, task: u64, domain: u32) -> wasmtime::Result<Option<u64>> {
        self.of_group("plan.l2-in-force", task, domain, |rdt| &rdt.l2)
    }

    fn mb_in_force(&mut self, task: u64, domain: u32) -> wasmtime::Result<Option<u32>> {
        self.of_group("plan.mb-in-force", task, domain, |rdt| &rdt.mb)
    }

    fn outcomes(&mut self) -> wasmtime::Result<Vec<Outcome>> {
        self.now("plan.outcomes")?;
        Ok(self.given.outcomes.iter().cloned().map(to_guest).collect())
    }
}

impl State {
    fn ask(&mut self, function: &str, task: u64, change: Change) -> Answer {
        let known = self.known(function, task)?;
        let most = self.limits.requests_per_task.saturating_mul(self.now(function)?.rows().max(1) as u64);
        let taken = known.and_then(|task| {
            if self.said.requests.len() as u64 >= most {
                return Err(Why::TooMany(format!(
                    "a call may make {most} requests here (--limit requests-per-task raises it)"
                )));
            }
            wca_rules::validate(&change, &self.platform)?;
            self.said.requests.push(Request { task, change });
            Ok(())
        });
        Ok(self.counted(taken))
    }

    /// What is in force of a task; the type's empty value where that is not known. Where nobody reads it, a line says so once.
    fn of_task<T: Default>(
        &mut self,
        function: &'static str,
        task: u64,
        value: impl FnOnce(&InForce) -> Option<T>,
    ) -> wasmtime::Result<T> {
        let Ok(task) = self.known(function, task)? else { return Ok(T::default()) };
        let snapshot = self.now(function)?;
        if let Some(one) = snapshot.in_force_of(task) {
            return Ok(value(one).unwrap_or_default());
        }
        self.say_not_measured(function);
        Ok(T::default())
    }

    /// What is in force of a task's resctrl group in one domain.
    fn of_group<T: Copy>(
        &mut self,
        function: &'static str,
        task: u64,
        domain: u32,
        values: impl FnOnce(&RdtInForce) -> &Vec<(u32, T)>,
    ) -> wasmtime::Result<Option<T>> {
        self.of_task(function, task, |one| Some(of_domain(values(one.rdt.as_ref()?), domain)))
    }

    fn say_not_measured(&mut self, function: &'static str) {
        if self.said_not_measured.insert(function) {
            self.log(LogLevel::Info, &format!("{function}: not measured here"));
        }
    }
}

fn to_guest(outcome: model::Outcome) -> Outcome {
    let fate = match outcome.fate {
        model::Fate::Applied => Fate::Applied,
        model::Fate::Unchanged => Fate::Unchanged,
        model::Fate::Adjusted(value) => Fate::Adjusted(value),
        model::Fate::Shadowed => Fate::Shadowed,
        model::Fate::Failed(why) => Fate::Failed(why),
        model::Fate::Reverted(why) => Fate::Reverted(why),
    };
    Outcome { task: outcome.task.0, kind: outcome.kind.as_str().to_owned(), domain: outcome.domain, fate }
}
