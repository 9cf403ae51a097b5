//! One instance of a component: instantiated, configured, called, thrown away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand_core::SeedableRng;
use rand_pcg::Pcg64Mcg;
use wasmtime::component::{ComponentType, Func, Instance as Exports, Lift, ResourceTable, TypedFunc, Val};
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::component::{Component, Linked};
use crate::configure::Arguments;
use crate::contract::World;
use crate::deadline::{self, Allowed, DeadlineExceeded};
use crate::failure::Failure;
use crate::limiter::Limiter;
use crate::outgoing::{Exchanges, GrantedHttp, Outgoing};
use crate::policy::Surroundings;
use crate::state::{Given, Lines, Said, State, locked};
use crate::turns::{Meter, metered};
use crate::wasi::{self, GuestTime};

/// What a call of the world's export returns.
#[derive(Clone, ComponentType, Lift)]
#[component(variant)]
enum StoreError {
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "rejected")]
    Rejected(String),
}

/// The world's export.
#[derive(Clone, Copy)]
enum Export {
    Policy(TypedFunc<(), (Result<(), String>,)>),
    Storage(TypedFunc<(), (Result<(), StoreError>,)>),
    Command(TypedFunc<(), (Result<(), ()>,)>),
}

/// One instance, with everything that the host keeps for it.
pub(crate) struct Instance {
    store: Store<State>,
    exports: Exports,
    export: Export,
    started: bool,
    start_left: Duration,
}

impl Instance {
    /// Instantiates and configures: the start function and `configure` run, within the limits of the start.
    ///
    /// # Errors
    /// [`Failure`], with what `configure` itself refused as [`Failure::Said`].
    pub(crate) async fn start(
        component: &Component,
        linked: &Linked,
        around: &Surroundings,
        arguments: &Arguments,
        outgoing: &Arc<Outgoing>,
    ) -> Result<Self, Failure> {
        let mut store = new_store(component, linked, around, arguments, outgoing);
        set_fuel(&mut store, around.limits.start_fuel);
        let _ticking = around.sandbox.clock.tick();
        let meter = Arc::clone(&store.data().meter);
        let work = async {
            let exports = linked.pre.instantiate_async(&mut store).await?;
            let export = find_export(component.world, &exports, &mut store)?;
            hand_in(arguments, &exports, &mut store).await?;
            wasmtime::Result::Ok((exports, export))
        };
        let outcome: Result<wasmtime::Result<(Exports, Export)>, _> =
            metered(&meter, &around.sandbox.turns, work).await;
        let state = store.data_mut();
        let started = configured(outcome, state);
        state.end_call(&started);
        let (exports, export) = started.map_err(|failure| failure.printable(&state.limits))?;
        let start_left = meter.left();
        Ok(Self { store, exports, export, started: false, start_left })
    }

    /// Configures it anew, within the limits of the start. What it keeps stays.
    ///
    /// # Errors
    /// [`Failure`], with what `configure` itself refused as [`Failure::Said`]; after any other it cannot be called again.
    pub(crate) async fn configure(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let limits = &self.store.data().limits;
        let (allowed, fuel) = (Allowed::start(limits.start_deadline, limits.start_deadline), limits.start_fuel);
        self.begin(Given::default(), allowed, false);
        set_fuel(&mut self.store, fuel);
        self.store.data_mut().settings = Arc::clone(&arguments.settings);
        let (meter, turns) = (Arc::clone(&self.store.data().meter), self.store.data().turns.clone());
        let outcome = {
            let _ticking = self.store.data().ticking();
            metered(&meter, &turns, hand_in(arguments, &self.exports, &mut self.store)).await
        };
        let state = self.store.data_mut();
        let result = configured(outcome, state);
        state.end_call(&result);
        result.map_err(|failure| failure.printable(&state.limits))
    }

    /// Calls the world's export with what it may read, within `allowed`.
    pub(crate) async fn call(&mut self, given: Given, allowed: Duration) -> (Result<(), Failure>, Said) {
        let starting = !self.started;
        let allowed = if starting && self.start_left > allowed {
            Allowed::start(self.store.data().limits.start_deadline, self.start_left)
        } else {
            Allowed::call(allowed)
        };
        self.begin(given, allowed, starting);
        let (meter, turns) = (Arc::clone(&self.store.data().meter), self.store.data().turns.clone());
        let outcome = {
            let _ticking = self.store.data().ticking();
            metered(&meter, &turns, call(self.export, &mut self.store)).await
        };
        self.started = true;
        let state = self.store.data_mut();
        state.given.snapshot = None;
        state.given.batch = None;
        let result = match outcome {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(Failure::of(&error, &state.limits, &state.limiter, starting)),
            Err(exceeded) => Err(Failure::deadline(&exceeded)),
        };
        state.end_call(&result);
        (result.map_err(|failure| failure.printable(&state.limits)), std::mem::take(&mut state.said))
    }

    fn begin(&mut self, given: Given, allowed: Allowed, starting: bool) {
        if !starting {
            let fuel = self.store.data().limits.fuel;
            set_fuel(&mut self.store, fuel);
        }
        self.store.set_epoch_deadline(1);
        let state = self.store.data_mut();
        state.meter.begin(allowed);
        state.limiter.begin();
        if let Some(snapshot) = &given.snapshot {
            state.time.set(snapshot.timestamp);
            state.platform = Arc::clone(&snapshot.platform);
        }
        state.given = given;
        state.said = Said::default();
        locked(&state.lines).begin();
    }

    /// Whether it has grown to four fifths of its memory, and allows to be replaced.
    ///
    /// # Errors
    /// [`Failure`] where it was stopped while it was asked; it cannot be called again.
    pub(crate) async fn may_be_recycled(&mut self, component: &Component, allowed: Duration) -> Result<bool, Failure> {
        if !component.may_recycle || !self.store.data().limiter.is_nearly_full() {
            return Ok(false);
        }
        self.begin(Given::default(), Allowed::call(allowed), false);
        let (meter, turns) = (Arc::clone(&self.store.data().meter), self.store.data().turns.clone());
        let _ticking = self.store.data().ticking();
        let asking = async {
            let asked = self.exports.get_typed_func::<(), (bool,)>(&mut self.store, "may-recycle")?;
            asked.call_async(&mut self.store, ()).await
        };
        let answer = metered(&meter, &turns, asking).await;
        let state = self.store.data_mut();
        let result = match answer {
            Ok(Ok((answer,))) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of(&error, &state.limits, &state.limiter, false)),
            Err(exceeded) => Err(Failure::deadline(&exceeded)),
        };
        state.end_call(&result);
        result.map_err(|failure| Failure::MayRecycle(Box::new(failure.printable(&state.limits))))
    }

    /// Bytes of its memories and tables.
    pub(crate) fn memory(&self) -> u64 {
        self.store.data().limiter.used()
    }
}

async fn call(export: Export, store: &mut Store<State>) -> wasmtime::Result<Result<(), Failure>> {
    Ok(match export {
        Export::Policy(function) => function.call_async(store, ()).await?.0.map_err(Failure::Said),
        Export::Storage(function) => function.call_async(store, ()).await?.0.map_err(|error| match error {
            StoreError::Unavailable(why) => Failure::Unavailable(why),
            StoreError::Rejected(why) => Failure::Rejected(why),
        }),
        Export::Command(function) => match function.call_async(store, ()).await {
            Ok((result,)) => result.map_err(|()| Failure::Said("it ended with an error".into())),
            // A command that calls exit(0) has ended as it should.
            Err(error) if error.downcast_ref::<wasmtime_wasi::I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
            Err(error) => return Err(error),
        },
    })
}

fn find_export(world: World, exports: &Exports, store: &mut Store<State>) -> wasmtime::Result<Export> {
    Ok(match world {
        World::Detector | World::Allocator | World::Runner => {
            Export::Policy(exports.get_typed_func(store, world.export())?)
        }
        World::Storage => Export::Storage(exports.get_typed_func(store, world.export())?),
        World::Command => {
            let names = exports.instance_pre(&*store).component().component_type();
            let engine = store.engine().clone();
            let name =
                names.exports(&engine).map(|(name, _)| name.to_owned()).find(|name| name.starts_with("wasi:cli/run@"));
            let missing = || wasmtime::format_err!("no export `wasi:cli/run`");
            let instance =
                exports.get_export_index(&mut *store, None, &name.ok_or_else(missing)?).ok_or_else(missing)?;
            let run = exports.get_export_index(&mut *store, Some(&instance), "run").ok_or_else(missing)?;
            Export::Command(exports.get_typed_func(store, run)?)
        }
    })
}

/// What `configure` itself refused.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RefusedConfiguration(String);

/// What came of a call in which it was configured.
fn configured<T>(outcome: Result<wasmtime::Result<T>, DeadlineExceeded>, state: &State) -> Result<T, Failure> {
    match outcome {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(match error.downcast_ref::<RefusedConfiguration>() {
            Some(refused) => Failure::Said(refused.0.clone()),
            None => Failure::of(&error, &state.limits, &state.limiter, true),
        }),
        Err(exceeded) => Err(Failure::deadline(&exceeded)),
    }
}

/// Calls its `configure`, where it has one.
async fn hand_in(arguments: &Arguments, exports: &Exports, store: &mut Store<State>) -> wasmtime::Result<()> {
    if let (Some(values), Some(configure)) = (&arguments.values, exports.get_func(&mut *store, "configure")) {
        configure_with(&configure, values, store).await?;
    }
    Ok(())
}

async fn configure_with(configure: &Func, arguments: &[Val], store: &mut Store<State>) -> wasmtime::Result<()> {
    let mut results = vec![Val::Bool(false); configure.ty(&*store).results().len()];
    configure.call_async(store.as_context_mut(), arguments, &mut results).await?;
    match results.first() {
        Some(Val::Result(Err(Some(why)))) => match why.as_ref() {
            Val::String(why) => Err(RefusedConfiguration(why.clone()).into()),
            other => Err(RefusedConfiguration(format!("{other:?}")).into()),
        },
        Some(Val::Result(Err(None))) => Err(RefusedConfiguration("no reason given".into()).into()),
        _ => Ok(()),
    }
}

fn set_fuel(store: &mut Store<State>, fuel: u64) {
    // It fails only where fuel is not configured, which it always is.
    let _ = store.set_fuel(fuel);
}

fn new_store(
    component: &Component,
    linked: &Linked,
    around: &Surroundings,
    arguments: &Arguments,
    outgoing: &Arc<Outgoing>,
) -> Store<State> {
    let limits = around.limits.clone();
    let lines = Arc::new(Mutex::new(Lines::new(around.name.clone(), Arc::clone(&around.log), &limits)));
    let time = GuestTime::default();
    time.set(around.now);
    let is_runner = matches!(component.world, World::Runner | World::Command);
    let state = State {
        limiter: Limiter::new(limits.memory, limits.instances),
        meter: Arc::new(Meter::new(Allowed::start(limits.start_deadline, limits.start_deadline))),
        turns: around.sandbox.turns.clone(),
        clock: Arc::clone(&around.sandbox.clock),
        platform: Arc::clone(&around.platform),
        settings: Arc::clone(&arguments.settings),
        given: Given::default(),
        said: Said::default(),
        said_not_measured: std::collections::BTreeSet::new(),
        random: Pcg64Mcg::seed_from_u64(around.seed),
        node: None,
        wasi: wasi::context(&time, around.seed, &lines, limits.hostcall, is_runner),
        http: WasiHttpCtx::new(),
        granted_http: GrantedHttp::new(Exchanges::new(Arc::clone(outgoing), &limits, Arc::clone(&lines))),
        table: ResourceTable::new(),
        time,
        lines,
        limits,
    };
    let mut store = Store::new(linked.pre.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(usize::try_from(around.limits.hostcall).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(around.limits.handles).unwrap_or(usize::MAX));
    deadline::watch(&mut store);
    store
}

impl Instance {
    /// Runs a runner to its end: its time is that of the stretch between two calls to its node, its fuel that of a tick. What
    /// it waits in the host counts too, so that a server that never answers does not keep the agent.
    pub(crate) async fn run(&mut self, node: Option<Box<dyn crate::host::node::NodeAccess>>) -> Result<(), Failure> {
        let limits = &self.store.data().limits;
        let start = Allowed::start(limits.start_deadline, limits.start_deadline);
        let allowed = limits.deadline.map_or(start, Allowed::call);
        self.begin(Given::default(), allowed, false);
        self.store.data_mut().node = node;
        let (meter, turns) = (Arc::clone(&self.store.data().meter), self.store.data().turns.clone());
        let _ticking = self.store.data().ticking();
        let outcome = metered(&meter, &turns, call(self.export, &mut self.store)).await;
        let state = self.store.data_mut();
        let ended = match outcome {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => Err(Failure::of(&error, &state.limits, &state.limiter, false)),
            Err(exceeded) => Err(Failure::deadline(&exceeded)),
        };
        state.end_call(&ended);
        ended.map_err(|failure| failure.printable(&state.limits))
    }
}
