//! What an operator grants a policy beyond the contract: origins that it may send HTTP requests to.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

use crate::state::{Lines, LogLevel, locked};

/// Scheme, host and port to which requests may go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

/// The text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no origin: {what}; an origin is scheme, host and port alone, such as http://127.0.0.1:8000")]
pub struct OriginError {
    text: String,
    what: &'static str,
}

impl std::str::FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let wrong = |what| OriginError { text: text.to_owned(), what };
        let uri: http::Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("it has a user name"));
        }
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(wrong("it has a path"));
        }
        Self::of(&uri).ok_or_else(|| wrong("the scheme must be http or https, and a host must follow"))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", if self.https { "https" } else { "http" }, self.host, self.port)
    }
}

impl Origin {
    fn of(uri: &http::Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self { https, host, port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }) })
    }
}

/// What an operator grants a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Origins to which it may send HTTP requests.
    pub http: Vec<Origin>,
}

/// Lets requests go to granted origins only. Redirects are not followed: a guest that follows one itself asks again here.
pub(crate) struct GrantedHttp {
    granted: Vec<Origin>,
    lines: Arc<Mutex<Lines>>,
}

impl GrantedHttp {
    pub(crate) fn new(grants: &Grants, lines: Arc<Mutex<Lines>>) -> Self {
        Self { granted: grants.http.clone(), lines }
    }

    fn refuse(&self, uri: &http::Uri) {
        let granted: Vec<String> = self.granted.iter().map(ToString::to_string).collect();
        let asked = Origin::of(uri).map_or_else(|| uri.to_string(), |origin| origin.to_string());
        let text = format!(
            "a request to {asked} was refused: granted are {}; --allow-http {asked} would grant it",
            granted.join(", ")
        );
        locked(&self.lines).write(LogLevel::Warn, &text);
    }
}

type Exchange = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>);

impl WasiHttpHooks for GrantedHttp {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Result<Exchange, HttpError>> + Send> {
        let granted = Origin::of(request.uri()).is_some_and(|origin| self.granted.contains(&origin));
        if !granted {
            self.refuse(request.uri());
            return Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)));
        }
        Box::new(async move {
            let (response, io) = wasmtime_wasi_http::default_send_request(request, options).await?;
            let io: Box<dyn Future<Output = Result<(), HttpError>> + Send> = Box::new(io);
            Ok((response.map(http_body_util::BodyExt::boxed_unsync), io))
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:8000", Ok("http://127.0.0.1:8000"))]
    #[case("http://127.0.0.1:8000/", Ok("http://127.0.0.1:8000"))]
    #[case("https://Metrics.Example", Ok("https://metrics.example:443"))]
    #[case("http://[::1]:80", Ok("http://[::1]:80"))]
    #[case("127.0.0.1:8000", Err("`127.0.0.1:8000` is no origin: the scheme must be http or https"))]
    #[case("ftp://x", Err("`ftp://x` is no origin: the scheme must be http or https"))]
    #[case("http://u:p@x", Err("`http://u:p@x` is no origin: it has a user name"))]
    #[case("http://x/write?db=1", Err("`http://x/write?db=1` is no origin: it has a path"))]
    #[case("http://", Err("`http://` is no origin: it is no URL"))]
    fn origins(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        match (text.parse::<Origin>(), expected) {
            (Ok(origin), Ok(expected)) => assert_eq!(origin.to_string(), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }
}
