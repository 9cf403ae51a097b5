//! What one request is answered.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};

use super::negotiate::{Format, format, takes_gzip};
use super::page::Pages;
use super::server::Site;

/// An answer. That to `HEAD` has its body left out when it is sent.
pub(super) type Answer = Response<Full<Bytes>>;

/// The answer to a request of somebody who may not read; none where he may. The connection ends behind it: those who may wait
/// for their turn.
pub(super) fn refusal<B>(site: &Site, request: &Request<B>) -> Option<Answer> {
    if site.access.is_granted(request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes)) {
        return None;
    }
    let told = text(StatusCode::UNAUTHORIZED, "this needs a user with a password, or a token\n".into());
    let mut answer = with(told, CONNECTION, "close");
    for challenge in site.access.challenges() {
        answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    Some(answer)
}

/// Answers a request of somebody who may read ([`refusal`]), of which nothing but the head is read.
pub(super) async fn answer<B>(site: &Site, pages: &Pages, request: &Request<B>) -> Answer {
    let headers = request.headers();
    if request.uri().path() != site.path {
        return text(StatusCode::NOT_FOUND, format!("there is nothing here; metrics are at {}\n", site.path));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let told = text(StatusCode::METHOD_NOT_ALLOWED, "metrics are read by GET\n".into());
        return with(told, ALLOW, "GET, HEAD");
    }
    let Some(page) = pages.last() else {
        let told = "nothing has been measured yet: the first iteration is not over\n";
        return with(text(StatusCode::SERVICE_UNAVAILABLE, told.into()), RETRY_AFTER, "1");
    };
    let (format, gzip) = (format(values(headers, &ACCEPT)), takes_gzip(values(headers, &ACCEPT_ENCODING)));
    let Some(bytes) = page.bytes(format, gzip).await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "the agent ends\n".into());
    };
    found(bytes, format, gzip)
}

fn found(bytes: Bytes, format: Format, gzip: bool) -> Answer {
    let answer = with(Response::new(Full::new(bytes)), CONTENT_TYPE, format.content_type());
    let answer = with(with(answer, VARY, "Accept, Accept-Encoding"), CACHE_CONTROL, "no-store");
    if gzip { with(answer, CONTENT_ENCODING, "gzip") } else { answer }
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = with(Response::new(Full::new(text.into())), CONTENT_TYPE, "text/plain; charset=utf-8");
    *answer.status_mut() = status;
    answer
}

fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

/// The values of a header that are texts.
fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
