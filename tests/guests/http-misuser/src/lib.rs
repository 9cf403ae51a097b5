//! A storage that uses HTTP as nobody should.

mod web;

/// Does in each call what it is told, and rejects the batch with what it was told itself.
#[wca_guest::storage(name = "HttpMisuser")]
mod http_misuser {
    use crate::web::{self, Body};
    use wasip2::clocks::monotonic_clock;
    use wasip2::http::outgoing_handler::FutureIncomingResponse;

    #[config]
    enum Act {
        /// Asks and reads the answer to its end, without an end of its own patience.
        Read,
        /// Sleeps for an hour before it asks.
        Sleep,
        /// Asks, keeps what comes and reads nothing of it.
        Hoard,
        /// Asks many times at once, and keeps what it would have to wait for.
        Flood,
        /// Asks, and goes where the answer leads.
        Follow,
        /// Asks, and gives up.
        GiveUp,
    }

    struct Config {
        act: Act,
        /// Where to ask.
        url: String,
    }

    #[derive(Default)]
    struct State {
        unread: Vec<Body>,
        awaited: Vec<FutureIncomingResponse>,
    }

    fn store(config: &Config, state: &mut State) -> Result<(), StoreError> {
        act(config, state).map_err(StoreError::Rejected)
    }

    fn act(config: &Config, state: &mut State) -> Result<(), String> {
        match config.act {
            Act::Read => read(&config.url),
            Act::Sleep => {
                let end = monotonic_clock::now() + 3_600_000_000_000;
                while monotonic_clock::now() < end {
                    monotonic_clock::subscribe_instant(end).block();
                }
                read(&config.url)
            }
            Act::Hoard => {
                if let Some(body) = state.unread.last() {
                    // What was kept from the call before is of no use any more, and must not look whole.
                    log::info!("{:?}", body.read());
                }
                let answer = web::head(&web::ask(&config.url)?)?;
                state.unread.push(Body::of(answer)?);
                Ok(())
            }
            Act::Flood => {
                for _ in 0..20 {
                    state.awaited.push(web::ask(&config.url)?);
                }
                Ok(())
            }
            Act::Follow => {
                let answer = web::head(&web::ask(&config.url)?)?;
                let location = answer.headers().get("location").pop().unwrap_or_default();
                let location = String::from_utf8(location).map_err(|why| why.to_string())?;
                log::info!("{} to {location}", answer.status());
                read(&location)
            }
            Act::GiveUp => web::ask(&config.url).map(drop),
        }
    }

    fn read(url: &str) -> Result<(), String> {
        let length = Body::of(web::head(&web::ask(url)?)?)?.read()?;
        log::info!("read {length} bytes");
        Ok(())
    }
}
