/// Measures, decides and stores by itself, tick after tick.
#[wca_guest::runner(name = "Measurer")]
mod measurer {
    struct Config {
        /// Ticks after which it ends; 0 is never.
        #[default(0)]
        ticks: u32,
        /// Whether it stores before it has measured anything.
        #[default(false)]
        hasty: bool,
    }

    fn run(config: &Config) -> Result<(), String> {
        if config.hasty {
            node::store(&[])?;
        }
        let mut tick = 0;
        loop {
            tick += 1;
            node::measure()?;
            node::decide()?;
            let tasks = now::keys().len() as f64;
            node::store(&[
                Sample::gauge("measurer_tick", f64::from(tick)).help("Ticks so far."),
                Sample::gauge("measurer_tasks", tasks).label("kind", "all"),
            ])?;
            if tick == config.ticks || !node::wait() {
                return Ok(());
            }
        }
    }
}
