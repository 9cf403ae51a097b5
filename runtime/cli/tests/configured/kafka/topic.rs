//! Topics that are made as a test wants them; others are made by brokers when they hear of them.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::setup::PATIENCE;

/// Makes a topic with so many partitions and these settings.
pub(crate) fn make(broker: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let client: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    let made = waited(client.create_topics([&topic], &options)).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// What comes of it; a thread of the client brings it about.
fn waited<T>(future: impl Future<Output = T>) -> T {
    let (mut future, begun) = (pin!(future), Instant::now());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
        assert!(begun.elapsed() < PATIENCE, "no answer");
        std::thread::sleep(Duration::from_millis(5));
    }
}
