//! Requests by hand, which can be left as they are.

use wasip2::http::outgoing_handler::{ErrorCode, FutureIncomingResponse, OutgoingRequest, handle};
use wasip2::http::types::{Fields, IncomingBody, IncomingResponse, OutgoingBody, Scheme};
use wasip2::io::streams::{InputStream, StreamError};

/// Asks for what is at `http://AUTHORITY/PATH`, and waits for nothing.
pub fn ask(url: &str) -> Result<FutureIncomingResponse, String> {
    let rest = url.strip_prefix("http://").ok_or("it is no URL")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let made = request.set_scheme(Some(&Scheme::Http)).and_then(|()| request.set_authority(Some(authority)));
    made.and_then(|()| request.set_path_with_query(Some(path))).map_err(|()| "it is no URL")?;
    let body = request.body().map_err(|()| "no body")?;
    let answer = handle(request, None).map_err(said)?;
    // Where the request was refused there is nobody to finish it for.
    let _ = OutgoingBody::finish(body, None);
    Ok(answer)
}

/// Waits for the head of an answer.
pub fn head(answer: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    answer.subscribe().block();
    answer.get().ok_or("nothing is there")?.map_err(|()| "it was taken")?.map_err(said)
}

/// The body of an answer, not yet read. What stands first goes first, since it is a part of what follows.
pub struct Body {
    stream: InputStream,
    _body: IncomingBody,
    _answer: IncomingResponse,
}

impl Body {
    pub fn of(answer: IncomingResponse) -> Result<Self, String> {
        let body = answer.consume().map_err(|()| "it has no body")?;
        let stream = body.stream().map_err(|()| "its body has no stream")?;
        Ok(Self { stream, _body: body, _answer: answer })
    }

    /// Reads it to its end.
    pub fn read(&self) -> Result<u64, String> {
        let mut length = 0;
        loop {
            match self.stream.blocking_read(64 << 10) {
                Ok(part) => length += part.len() as u64,
                Err(StreamError::Closed) => return Ok(length),
                Err(StreamError::LastOperationFailed(why)) => return Err(why.to_debug_string()),
            }
        }
    }
}

/// `ErrorCode::HttpRequestDenied` as `HttpRequestDenied`.
fn said(code: ErrorCode) -> String {
    format!("{code:?}").rsplit("ErrorCode::").next().unwrap_or_default().to_owned()
}
