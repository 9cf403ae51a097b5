//! The body of an answer on its way to the guest: no longer than it may be, and no longer under way than its call.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

use super::exchanges::Exchange;
use super::send::of_hyper;

pub(super) struct Answer {
    incoming: Incoming,
    /// None once it is over.
    exchange: Option<Exchange>,
    /// Bytes that may still come.
    left: u64,
    between: Option<Between>,
}

/// The time that the guest allows between two parts of the body.
struct Between {
    most: Duration,
    end: Pin<Box<Sleep>>,
}

impl Answer {
    pub(super) fn new(incoming: Incoming, exchange: Exchange, between: Option<Duration>) -> Self {
        let left = exchange.exchanges.longest;
        let between = between.map(|most| Between { most, end: Box::pin(sleep(most)) });
        // One without a body is read already.
        let exchange = (!incoming.is_end_stream()).then_some(exchange);
        Self { incoming, exchange, left, between }
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.exchange = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(exchange) = &this.exchange else { return Poll::Ready(None) };
        let polled = Pin::new(&mut this.incoming).poll_frame(context);
        // The connection goes with its call: what was cut off so must not look like the end.
        if exchange.call.is_over() {
            return this.end(Error::ConnectionTerminated);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(left) = this.left.checked_sub(length) else {
                    exchange.too_long();
                    let longest = exchange.exchanges.longest;
                    return this.end(Error::HttpResponseBodySize(Some(longest)));
                };
                this.left = left;
                if let Some(between) = &mut this.between {
                    between.end.as_mut().reset(Instant::now() + between.most);
                }
                if this.incoming.is_end_stream() {
                    this.exchange = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.end(of_hyper(&error)),
            Poll::Ready(None) => {
                this.exchange = None;
                Poll::Ready(None)
            }
            Poll::Pending => match this.between.as_mut().map(|between| between.end.as_mut().poll(context)) {
                Some(Poll::Ready(())) => this.end(Error::ConnectionReadTimeout),
                Some(Poll::Pending) | None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
