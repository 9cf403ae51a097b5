//! `wca-guest-build`: from the sources of guests to components, and back to the question whether they belong together.
//!
//! Guests are the folders in `components/`, `guest-examples/` and `guest-sdk/detectors/` that have a `Cargo.toml` (built here)
//! or a `build.sh` (built by it, taken over by `wca-guest-build finish`). A folder `x` has its component at `x/x.wasm`;
//! `guest-sdk/guests.lock` says of which sources each was made, and how. A folder that lies elsewhere is built like them, and
//! nothing is noted of it.

mod check;
mod compile;
mod component;
mod debian;
mod docs;
mod guest;
mod lock;
mod section;
mod sources;
mod toolchain;
mod wrapper;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use guest::{Guest, How, Repository};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toolchain::Toolchain;

/// Builds the guests of this repository, or a guest in any folder.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folders of the guests to build, like `guest-examples/hello` or `../my-policy`; all of the repository's without.
    guests: Vec<String>,
    /// Where the component of the one guest goes; `FOLDER/FOLDER.wasm` without.
    #[arg(short, long, value_name = "OUT.wasm", conflicts_with_all = ["check", "list"])]
    output: Option<PathBuf>,
    /// Compare instead: sources and components with `guests.lock`, then a fresh build with the components.
    #[arg(long)]
    check: bool,
    /// With --check: do not build afresh.
    #[arg(long, requires = "check")]
    no_rebuild: bool,
    /// With --check: where the freshly built components are left.
    #[arg(long, requires = "check", value_name = "DIR")]
    built_dir: Option<PathBuf>,
    /// Build also what is up to date.
    #[arg(long)]
    force: bool,
    /// List the guests and their state, and do nothing.
    #[arg(long, conflicts_with_all = ["check", "force"])]
    list: bool,
}

/// What else it can do.
#[derive(Subcommand)]
enum Command {
    /// Takes over what a `build.sh` made: makes a component of a core module, adds its help, and notes it in `guests.lock`.
    Finish {
        /// Folder of the guest.
        guest: String,
        /// The core module or component that its tools made.
        made: PathBuf,
        /// An adapter for the imports of a core module, as `wasi_snapshot_preview1=adapter.wasm`.
        #[arg(long, value_name = "NAME=FILE")]
        adapt: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match std::env::var_os(wrapper::ROOTS) {
        Some(roots) => wrapper::become_rustc(&roots),
        None => run(Arguments::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where this cannot be written, the code still says it.
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    // Called from elsewhere, it still lies in the project that built it.
    let repository = Repository::find(&[&std::env::current_dir()?, &std::env::current_exe()?])?;
    match &arguments.command {
        Some(Command::Finish { guest, made, adapt }) => finish(&repository, guest, made, adapt),
        None if arguments.check => {
            let guests = repository.named(&arguments.guests)?;
            if let Some(guest) = guests.iter().find(|guest| guest.elsewhere.is_some()) {
                bail!("{guest}: it is none of this project's, so that guest-sdk/guests.lock says nothing of it");
            }
            let built = arguments.built_dir.unwrap_or_else(|| repository.root.join("target/guests/checked"));
            check::all(&repository, &guests, (!arguments.no_rebuild).then_some(built.as_path()))
        }
        None if arguments.list => list(&repository),
        None => build(&repository, &arguments),
    }
}

fn build(repository: &Repository, arguments: &Arguments) -> Result<()> {
    let guests = repository.named(&arguments.guests)?;
    if let Some(output) = &arguments.output {
        let [guest] = guests.as_slice() else { bail!("--output {}: for one guest only", output.display()) };
        return build_apart(repository, guest, output, &Toolchain::find()?);
    }
    let mut lock = lock::Lock::read(repository)?;
    let mut toolchain = None;
    for guest in guests {
        if guest.elsewhere.is_some() {
            let toolchain = found(&mut toolchain)?;
            build_apart(repository, &guest, &guest.wasm(repository), toolchain)?;
            continue;
        }
        let state = lock::State::of(repository, &guest, &lock)?;
        if guest.how == How::Script {
            match state {
                lock::State::Fresh => say(&format!("{guest}: up to date (made by {guest}/build.sh)"))?,
                state => bail!("{guest}: {state}; it is made by other tools than Rust's: run {guest}/build.sh"),
            }
            continue;
        }
        if matches!(state, lock::State::Fresh) && !arguments.force {
            say(&format!("{guest}: up to date"))?;
            continue;
        }
        let toolchain = found(&mut toolchain)?;
        say(&format!("{guest}: building by {}", toolchain.name()))?;
        let wasm = compile::guest(repository, &guest, toolchain)?;
        write(&guest.wasm(repository), &wasm)?;
        lock.set(repository, &guest, toolchain.route.name(), &toolchain.rustc, &wasm)?;
        lock.write(repository)?;
        say(&format!("{guest}: {} ({} bytes)", guest.wasm(repository).display(), wasm.len()))?;
    }
    Ok(())
}

/// Builds a guest of which nothing is noted.
fn build_apart(repository: &Repository, guest: &Guest, output: &Path, toolchain: &Toolchain) -> Result<()> {
    if guest.how == How::Script {
        bail!("{guest}: it is made by other tools than Rust's: run {guest}/build.sh");
    }
    say(&format!("{guest}: building by {}", toolchain.name()))?;
    let wasm = compile::guest(repository, guest, toolchain)?;
    write(output, &wasm)?;
    say(&format!("{guest}: {} ({} bytes)", output.display(), wasm.len()))
}

/// The compiler, looked for when the first guest needs it.
fn found(toolchain: &mut Option<Toolchain>) -> Result<&Toolchain> {
    Ok(match toolchain {
        Some(toolchain) => toolchain,
        None => toolchain.insert(Toolchain::find()?),
    })
}

fn finish(repository: &Repository, name: &str, made: &Path, adapt: &[String]) -> Result<()> {
    let guests = repository.named(&[name.to_owned()])?;
    let Some(guest) = guests.into_iter().find(|guest| guest.how == How::Script) else {
        bail!("{name} has no build.sh: it is built by `cargo run --release --bin wca-guest-build -- {name}`");
    };
    let made = std::fs::read(made).with_context(|| format!("{guest}: cannot read {}", made.display()))?;
    let wasm = component::make(&made, adapt, &guest.folder(repository)).with_context(|| guest.to_string())?;
    write(&guest.wasm(repository), &wasm)?;
    if guest.elsewhere.is_none() {
        let mut lock = lock::Lock::read(repository)?;
        lock.set(repository, &guest, "script", "", &wasm)?;
        lock.write(repository)?;
    }
    say(&format!("{guest}: {} ({} bytes)", guest.wasm(repository).display(), wasm.len()))
}

fn list(repository: &Repository) -> Result<()> {
    let lock = lock::Lock::read(repository)?;
    for guest in repository.guests()? {
        let state = lock::State::of(repository, &guest, &lock)?;
        say(&format!("{guest}: {state}"))?;
    }
    Ok(())
}

/// Writes beside and moves: whoever reads the component meanwhile sees the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("wasm.new");
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

/// One line for who called.
fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("cannot write to the standard output")
}
