/// Posts to a service, and would wait an hour for its answer.
#[wca_guest::runner(name = "Patient")]
mod patient {
    use std::time::Duration;
    use wca_guest::http;

    struct Config {
        url: String,
    }

    fn run(config: &Config) -> Result<(), String> {
        let answer = http::post(&config.url, "text/plain", b"", Duration::from_secs(3600));
        answer.map(drop).map_err(|why| why.to_string())
    }
}
