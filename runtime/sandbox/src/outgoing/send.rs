//! One request on its way, and its answer.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::Exchanged;
use super::answer::Answer;
use super::connect::{Stream, connect};
use super::exchanges::Exchange;
use super::upload::Upload;
use crate::grants::Origin;

/// Most bytes of the head of an answer, and of what is read of its body before the guest takes it.
const BUFFER: usize = 64 << 10;

type Connection = http1::Connection<TokioIo<Box<dyn Stream>>, WasiBody>;

/// Sends a request to an origin that is granted, and returns with the head of the answer. It ends with the call in which it
/// began; times that the guest has set end it earlier.
pub(super) async fn send(
    origin: Origin,
    request: Request<WasiBody>,
    options: RequestOptions,
    exchange: Exchange,
) -> Result<Exchanged, Error> {
    let call = exchange.call.clone();
    let request = request.map(|body| Upload::new(body, call.clone()).boxed_unsync());
    tokio::select! {
        // In this order: nothing more is sent once the call is over.
        biased;
        () = call.over() => Err(Error::ConnectionTerminated),
        answer = answered(&origin, request, options, exchange) => answer,
    }
}

async fn answered(
    origin: &Origin,
    mut request: Request<WasiBody>,
    options: RequestOptions,
    exchange: Exchange,
) -> Result<Exchanged, Error> {
    let connecting = async {
        let stream = connect(origin, &exchange.exchanges).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await.map_err(|error| of_hyper(&error))
    };
    let (mut sender, connection) = within(options.connect_timeout, Error::ConnectionTimeout, connecting).await?;
    *request.uri_mut() = path_alone(request.uri())?;
    let sending = async { sender.send_request(request).await.map_err(|error| of_hyper(&error)) };
    let mut connection = Some(connection);
    let answer =
        within(options.first_byte_timeout, Error::ConnectionReadTimeout, drive(&mut connection, sending)).await?;
    exchange.answered();
    let call = exchange.call.clone();
    let answer: Response<WasiBody> =
        answer.map(|incoming| Answer::new(incoming, exchange, options.between_bytes_timeout).boxed_unsync());
    let rest = async move {
        let Some(connection) = connection else { return Ok(()) };
        tokio::select! {
            biased;
            () = call.over() => Ok(()),
            // Its error is the body's as well.
            _ = connection => Ok(()),
        }
    };
    Ok((answer, Box::new(rest)))
}

/// Waits for what comes of a connection, and meanwhile lets the connection work.
async fn drive<T>(
    connection: &mut Option<Connection>,
    sending: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut sending = pin!(sending);
    poll_fn(|context| {
        if let Poll::Ready(answer) = sending.as_mut().poll(context) {
            return Poll::Ready(answer);
        }
        let Some(working) = connection.as_mut() else { return Poll::Pending };
        match Pin::new(working).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => {
                *connection = None;
                match ended {
                    Ok(()) => sending.as_mut().poll(context),
                    Err(error) => Poll::Ready(Err(of_hyper(&error))),
                }
            }
        }
    })
    .await
}

async fn within<T>(
    time: Option<Duration>,
    late: Error,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match time {
        Some(time) => tokio::time::timeout(time, work).await.unwrap_or(Err(late)),
        None => work.await,
    }
}

/// What stands in the first line of a request: only a proxy is told scheme and host.
fn path_alone(uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)
}

pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(u32::try_from(BUFFER).ok())
    } else if error.is_parse() {
        Error::HttpProtocolError
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else {
        let cause = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Error::InternalError(Some(cause))
    }
}
