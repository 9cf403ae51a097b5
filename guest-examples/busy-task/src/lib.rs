/// Finds tasks that use more processor time than they should, for several ticks in a row.
#[wca_guest::detector(name = "BusyTask")]
mod busy {
    use std::collections::HashMap;

    struct Config {
        /// Cores above which a task is busy.
        #[default(0.95)]
        threshold: f64,
        /// Ticks in a row for which it has to be busy.
        #[default(3)]
        ticks: u32,
    }

    /// For how many ticks each task has been busy.
    #[derive(Default)]
    struct State(HashMap<Key, u32>);

    fn validate(config: &Config) -> Result<(), String> {
        if config.threshold.is_nan() || config.threshold < 0.0 {
            return Err(format!("threshold {}: a number of cores, 0 or more", config.threshold));
        }
        Ok(())
    }

    fn detect(config: &Config, state: &mut State) -> Result<(), String> {
        for key in now::roster_changes().departed {
            state.0.remove(&key);
        }
        let columns = now::rates("task_cpu_usage_seconds");
        for (row, key) in now::keys().into_iter().enumerate() {
            // One column, or one per processor; NaN where a task has no rate yet, which is above nothing.
            let cores: f64 = columns.iter().map(|column| column[row]).sum();
            let busy = state.0.entry(key).or_default();
            *busy = if cores > config.threshold { busy.saturating_add(1) } else { 0 };
            if *busy >= config.ticks.max(1) {
                let evidence = [
                    Sample::gauge("busy_task_cores", cores).help("Processors that the task used."),
                    Sample::gauge("busy_task_ticks", f64::from(*busy)).help("Ticks in a row above the threshold."),
                ];
                report::contention(Contended::Cpus, key, &[], &evidence)?;
            }
        }
        Ok(())
    }
}
