/// Posts metrics to a service as one JSON object, `{metric: value}`.
#[wca_guest::storage(name = "HTTPStorage")]
mod http_storage {
    use std::collections::HashMap;
    use std::time::Duration;
    use wca_guest::http;

    struct Config {
        /// Where to post.
        #[default("http://127.0.0.1:8000")]
        http_endpoint: String,
    }

    fn validate(config: &Config) -> Result<(), String> {
        http::check(&config.http_endpoint).map_err(|why| format!("http_endpoint: {why}"))
    }

    fn store(config: &Config) -> Result<(), StoreError> {
        log::info!("sending!");
        let body = object(batch::families());
        match http::post(&config.http_endpoint, "application/json", body.as_bytes(), Duration::from_secs(1)) {
            Ok(200..300) => Ok(()),
            // The service has no time now: later it may take the same.
            Ok(status @ (408 | 429 | 500..)) => {
                Err(StoreError::Unavailable(format!("{} answered {status}", config.http_endpoint)))
            }
            // It never will. A redirect is no success either: nobody follows it.
            Ok(status) => Err(StoreError::Rejected(format!("{} answered {status}", config.http_endpoint))),
            Err(why @ http::Error::Timeout) => {
                log::warn!("timeout!");
                Err(StoreError::Unavailable(format!("{}: {why}", config.http_endpoint)))
            }
            Err(http::Error::Denied) => Err(StoreError::Rejected(format!("{} is not granted", config.http_endpoint))),
            Err(why) => Err(StoreError::Unavailable(format!("{}: {why}", config.http_endpoint))),
        }
    }

    /// One member per metric, in the order of first appearance; of several series the last counts.
    fn object(families: Vec<batch::Family>) -> String {
        let mut order = Vec::new();
        let mut last = HashMap::new();
        for family in families {
            let Some(value) = family.values.last() else { continue };
            if last.insert(family.name.clone(), *value).is_none() {
                order.push(family.name);
            }
        }
        // The name of a metric has no character that JSON would want escaped.
        let members: Vec<_> = order.iter().map(|name| format!("\"{name}\": {}", number(last[name]))).collect();
        format!("{{{}}}", members.join(", "))
    }

    /// JSON has no word for what is no number.
    fn number(value: f64) -> String {
        if value.is_finite() { format!("{value}") } else { "null".to_owned() }
    }
}
