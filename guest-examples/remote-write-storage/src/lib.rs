mod protocol;

/// Writes metrics to Prometheus, and to what else speaks its remote write protocol 1.0: Mimir, Thanos, VictoriaMetrics.
#[wca_guest::storage(name = "RemoteWriteStorage")]
mod remote_write_storage {
    use crate::protocol::{Label as Written, MetricMetadata, MetricType, Sample as Value, TimeSeries, WriteRequest};
    use prost::Message;
    use std::time::Duration;
    use wca_guest::http;

    struct Config {
        /// Where to write. The operator allows its origin.
        #[default("http://127.0.0.1:9090/api/v1/write")]
        url: String,
        /// How long the server may take to answer a request.
        #[default(1.0)]
        timeout_in_seconds: f64,
        /// How many samples one request may have: servers limit its size.
        #[default(2000)]
        samples_per_request: u32,
        /// File with a token that is shown to the server.
        #[file]
        token_path: Option<String>,
    }

    fn validate(config: &Config) -> Result<(), String> {
        http::check(&config.url).map_err(|why| format!("url: {why}"))?;
        if !Duration::try_from_secs_f64(config.timeout_in_seconds).is_ok_and(|timeout| !timeout.is_zero()) {
            return Err(format!("timeout_in_seconds: {} is no time above 0", config.timeout_in_seconds));
        }
        if config.samples_per_request == 0 {
            return Err("samples_per_request: 0 would write nothing; give at least 1".to_owned());
        }
        if config.token_path.as_deref().is_some_and(|token| token.trim().is_empty()) {
            return Err("token_path: the file holds no token".to_owned());
        }
        Ok(())
    }

    fn store(config: &Config) -> Result<(), StoreError> {
        let label_sets = batch::label_sets();
        let milliseconds = (now::timestamp() * 1000.0).round() as i64;
        let (mut request, mut sent) = (WriteRequest::default(), Sent::default());
        for family in batch::families() {
            let kind = match family.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
            };
            request.metadata.push(MetricMetadata {
                kind: kind.into(),
                metric_family_name: family.name.clone(),
                help: family.help,
            });
            for (set, value) in family.series.iter().zip(family.values) {
                let labels = labels(&family.name, &label_sets[*set as usize]);
                request.timeseries.push(TimeSeries { labels, samples: vec![Value { value, timestamp: milliseconds }] });
                if request.timeseries.len() >= config.samples_per_request as usize {
                    sent.send(config, &std::mem::take(&mut request))?;
                }
            }
        }
        if !request.timeseries.is_empty() {
            sent.send(config, &request)?;
        }
        sent.end()
    }

    /// How many requests of a batch were sent, how many of them the server does not want, and why the first.
    #[derive(Default)]
    struct Sent {
        requests: u32,
        unwanted: u32,
        why: Option<String>,
    }

    impl Sent {
        /// Sends one more. One that the server does not want keeps those after it from nothing.
        fn send(&mut self, config: &Config, request: &WriteRequest) -> Result<(), StoreError> {
            self.requests += 1;
            if let Some(why) = write(config, request)? {
                self.unwanted += 1;
                self.why.get_or_insert(why);
            }
            Ok(())
        }

        fn end(self) -> Result<(), StoreError> {
            let Self { requests, unwanted, why } = self;
            why.map_or(Ok(()), |why| {
                Err(StoreError::Rejected(format!(
                    "{unwanted} of {requests} requests were not taken, the first since {why}"
                )))
            })
        }
    }

    /// The labels of a series by name, that of the metric among them. An empty one is none.
    fn labels(metric: &str, set: &[Label]) -> Vec<Written> {
        let metric = ("__name__".to_owned(), metric.to_owned());
        let all = set.iter().chain([&metric]).filter(|(_, value)| !value.is_empty());
        let mut labels: Vec<Written> =
            all.map(|(name, value)| Written { name: name.clone(), value: value.clone() }).collect();
        labels.sort();
        labels
    }

    /// Writes one request; why the server does not want it, where it does not. What a server has taken already it takes once more
    /// without complaint, so that a batch of several requests can be tried again as a whole.
    fn write(config: &Config, request: &WriteRequest) -> Result<Option<String>, StoreError> {
        let packed = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec());
        let packed = packed.map_err(|why| StoreError::Rejected(format!("the request cannot be packed: {why}")))?;
        let bearer = config.token_path.as_ref().map(|token| format!("Bearer {}", token.trim()));
        let mut headers = vec![
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
            ("user-agent", "wca"),
        ];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let url = &config.url;
        let timeout = Duration::from_secs_f64(config.timeout_in_seconds);
        match http::post_with(url, &headers, &packed, timeout) {
            Ok(200..300) => Ok(None),
            Ok(status @ 300..400) => {
                Ok(Some(format!("{url} answered {status}: it redirects; redirects are not followed")))
            }
            // It has no time, or too many requests: later it may take this one.
            Ok(status @ (408 | 429)) => Err(StoreError::Unavailable(format!("{url} answered {status}"))),
            Ok(status @ 400..500) => Ok(Some(format!("{url} answered {status}"))),
            Ok(status) => Err(StoreError::Unavailable(format!("{url} answered {status}"))),
            Err(http::Error::Denied) => Err(StoreError::Rejected(format!("{url} is not granted"))),
            Err(why) => Err(StoreError::Unavailable(format!("{url}: {why}"))),
        }
    }
}
