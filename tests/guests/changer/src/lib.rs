//! An allocator that asks for what its configuration says.

mod ask;

/// Asks for the same kinds of all tasks in each call, with the next of their values.
#[wca_guest::allocator(name = "Changer")]
mod changer {
    struct Config {
        /// One for each kind: its name and its values, one for each turn, as in `cpuset_cpus 0 0,1`.
        changes: Vec<String>,
        /// Calls from one turn to the next.
        #[default(1)]
        every: u32,
        /// Calls after which it asks for nothing more; 0 is never.
        #[default(0)]
        calls: u32,
        /// Calls after which it fails, each time; 0 is never.
        #[default(0)]
        fails: u32,
    }

    #[derive(Default)]
    struct State {
        calls: u32,
    }

    fn allocate(config: &Config, state: &mut State) -> Result<(), String> {
        let turn = state.calls / config.every.max(1);
        state.calls += 1;
        assert!(config.fails == 0 || state.calls <= config.fails, "it fails, as it was told to");
        if config.calls > 0 && state.calls > config.calls {
            return Ok(());
        }
        for outcome in plan::outcomes() {
            let kind = &outcome.kind;
            let name = match outcome.fate {
                plan::Fate::Failed(why) => {
                    log::warn!("{kind}: {why}");
                    "failed"
                }
                plan::Fate::Applied => "applied",
                plan::Fate::Unchanged => "unchanged",
                plan::Fate::Adjusted(value) => {
                    log::info!("{kind}: adjusted: {value}");
                    "adjusted"
                }
                plan::Fate::Shadowed => "shadowed",
                plan::Fate::Reverted(_) => "reverted",
            };
            let sample = Sample::counter("changer_outcomes", 1.0).help("What became of requests.");
            report::metric(&sample.label("kind", kind.as_str()).label("fate", name))?;
        }
        for task in now::keys() {
            for change in &config.changes {
                if let Err(why) = crate::ask::ask(task, change, turn)? {
                    log::warn!("{change}: {}", why.text());
                }
            }
        }
        Ok(())
    }
}
