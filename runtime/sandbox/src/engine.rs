//! One engine configuration for everything.
//!
//! Fuel and canonical NaNs are always on, so that a budget is a number that means the same on every machine and a replay is
//! exact; epochs are the wall-clock backstop.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, OptLevel};

use crate::bindings;
use crate::compile::FORMAT;
use crate::deadline::EpochClock;
use crate::state::State;
use crate::turns::Turns;
use crate::wasi;

/// How often a running guest is looked at: the resolution of deadlines.
pub(crate) const EPOCH: Duration = Duration::from_millis(5);
/// Bytes of a guest's stack.
pub(crate) const STACK: usize = 512 << 10;

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine does not start: {0}")]
pub struct EngineError(#[source] pub(crate) wasmtime::Error);

/// The configuration for this machine's processor, or with `portable` for every processor of its architecture, which is
/// what code that is embedded into the program must be compiled for.
fn configuration(portable: bool) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if portable {
        config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    }
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .relaxed_simd_deterministic(true)
        .wasm_component_model(true)
        // Costs 1.5 us a call, and the parts of the component model that need it are not for untrusted guests yet.
        .concurrency_support(false)
        // A guest's stack overflow is a trap well before the fiber ends.
        .max_wasm_stack(STACK)
        .async_stack_size(2 * 1024 * 1024)
        // A trap is told with its function names where the guest has them; files and lines are its author's business.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    Ok(config)
}

/// The engine for compiling; `portable` as in the embedded components.
pub(crate) fn compiler(portable: bool) -> wasmtime::Result<Engine> {
    Engine::new(&configuration(portable)?)
}

/// Where policies run: the engine, what they can import, and the clock that interrupts them.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<State>>,
    pub(crate) linker_with_http: Arc<Linker<State>>,
    pub(crate) clock: Arc<EpochClock>,
    pub(crate) turns: Turns,
}

impl Sandbox {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    /// [`EngineError`] where the processor or the kernel lacks what the engine needs.
    pub fn new() -> Result<Self, EngineError> {
        let engine = configuration(false).and_then(|config| Engine::new(&config)).map_err(EngineError)?;
        let mut linker = Linker::new(&engine);
        bindings::link(&mut linker).and_then(|()| wasi::link(&mut linker)).map_err(EngineError)?;
        let mut linker_with_http = linker.clone();
        wasi::link_http(&mut linker_with_http).map_err(EngineError)?;
        let clock = EpochClock::start(&engine);
        Ok(Self {
            engine,
            linker: Arc::new(linker),
            linker_with_http: Arc::new(linker_with_http),
            clock: Arc::new(clock),
            turns: Turns::default(),
        })
    }

    /// What compiled code depends on besides the component: version of the engine, its configuration, the processor, and the
    /// form in which this program writes it down.
    #[must_use]
    pub fn engine_id(&self) -> [u8; 32] {
        let mut hasher = Sha256Hasher(Sha256::new());
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        FORMAT.hash(&mut hasher);
        std::env::consts::ARCH.hash(&mut hasher);
        hasher.0.finalize().into()
    }
}

/// A hasher whose whole digest can be had.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}
