/// Posts to a service, and would wait an hour for its answer.
#[wca_guest::runner(name = "Patient")]
mod patient {
    use std::time::Duration;
    use wca_guest::http;

    struct Config {
        url: String,
        /// Whether it asks tick after tick, whatever comes of it, and stores what there is to store.
        #[default(false)]
        goes_on: bool,
    }

    fn run(config: &Config) -> Result<(), String> {
        loop {
            let answer = http::post(&config.url, "text/plain", b"", Duration::from_secs(3600));
            if !config.goes_on {
                return answer.map(drop).map_err(|why| why.to_string());
            }
            node::measure()?;
            node::store(&[])?;
            if !node::wait() {
                return Ok(());
            }
        }
    }
}
