//! WASI 0.2 in a form of ours, for guests whose toolchain imports it whether they use it or not.
//!
//! Clocks say the snapshot's time, random numbers are seeded per policy, polls of time return at once; there are no files, no
//! environment, no arguments, no sockets and no names. Standard output and error become log lines of the policy, of a
//! runner its real output. Live and replayed runs so see the same world.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rand_core::SeedableRng;
use rand_pcg::Pcg64Mcg;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use crate::state::{Lines, LogLevel, State, locked};

/// Links WASI 0.2 without HTTP.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<State, SnapshotClocks>(linker, |state| SnapshotClock {
        time: state.time.now(),
        table: &mut state.table,
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Links outgoing HTTP besides.
pub(crate) fn link_http(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// The time that a guest sees: that of the snapshot.
#[derive(Clone, Default)]
pub(crate) struct GuestTime(Arc<AtomicU64>);

impl GuestTime {
    /// Sets it, in seconds since 1970.
    pub(crate) fn set(&self, timestamp: f64) {
        let time = Duration::try_from_secs_f64(timestamp).unwrap_or_default();
        self.0.store(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl HostWallClock for GuestTime {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        GuestTime::now(self)
    }
}

impl HostMonotonicClock for GuestTime {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct SnapshotClocks;

impl HasData for SnapshotClocks {
    type Data<'a> = SnapshotClock<'a>;
}

/// The monotonic clock, whose timers are due at once.
struct SnapshotClock<'a> {
    time: Duration,
    table: &'a mut ResourceTable,
}

impl SnapshotClock<'_> {
    fn due(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let due = self.table.push(Due)?;
        subscribe(self.table, due)
    }
}

impl monotonic_clock::Host for SnapshotClock<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.due()
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.due()
    }
}

/// A timer that is due.
struct Due;

#[async_trait::async_trait]
impl Pollable for Due {
    async fn ready(&mut self) {}
}

/// The WASI state of one instance. `real_output` is for runners, whose standard output is the agent's.
pub(crate) fn context(
    time: &GuestTime,
    seed: u64,
    lines: &Arc<Mutex<Lines>>,
    most_random: u64,
    real_output: bool,
) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .wall_clock(time.clone())
        .monotonic_clock(time.clone())
        .secure_random(Pcg64Mcg::seed_from_u64(seed ^ 1))
        .insecure_random(Pcg64Mcg::seed_from_u64(seed ^ 2))
        .insecure_random_seed(u128::from(seed))
        // The host makes these bytes before it hands them over: a ceiling as on what a guest hands to the host.
        .max_random_size(most_random)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    if real_output {
        builder.inherit_stdout();
    } else {
        builder.stdout(LoggedOutput { lines: Arc::clone(lines), level: LogLevel::Info });
    }
    builder.stderr(LoggedOutput { lines: Arc::clone(lines), level: LogLevel::Warn });
    builder.build()
}

/// Standard output of a policy: lines of its log.
#[derive(Clone)]
struct LoggedOutput {
    lines: Arc<Mutex<Lines>>,
    level: LogLevel,
}

/// Most bytes that are kept until their line ends.
const LONGEST: usize = 64 * 1024;

struct LineStream {
    output: LoggedOutput,
    partial: Vec<u8>,
}

impl LineStream {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || self.partial.len() >= LONGEST {
                self.write_line();
            }
        }
    }

    fn write_line(&mut self) {
        if !self.partial.is_empty() {
            locked(&self.output.lines).write(self.output.level, &String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
    }
}

impl Drop for LineStream {
    fn drop(&mut self) {
        self.write_line();
    }
}

impl IsTerminal for LoggedOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LoggedOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineStream { output: self.clone(), partial: Vec::new() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineStream { output: self.clone(), partial: Vec::new() })
    }
}

#[async_trait::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LONGEST)
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
