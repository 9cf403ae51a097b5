//! The body of a request on its way to the server: what its call cuts off does not look whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

use super::exchanges::Call;

pub(super) struct Upload {
    body: WasiBody,
    call: Call,
}

impl Upload {
    pub(super) fn new(body: WasiBody, call: Call) -> Self {
        Self { body, call }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        // After it: a body whose writer is gone with its instance has ended as if it were whole, and the call was over before.
        if self.call.is_over() {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
