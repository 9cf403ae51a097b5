//! `PrometheusStorage`.

use super::{Definition, Kind, Parameter, Shape};
use crate::listen::ListenAddress;
use crate::model::{BasicAccess, Certificate, PrometheusStorage, Role, Storage};
use crate::reading::{Arguments, Made, Reader};

const READABLE: Kind = Kind::Path { absolute: true, readable: true };

pub(super) const PROMETHEUS_STORAGE: Definition = Definition {
    tag: "PrometheusStorage",
    role: Role::Storage,
    help: "Answers by HTTP with the metrics of the last iteration, as Prometheus asks for them.",
    available: true,
    shape: Shape::Arguments(
        &[
            Parameter::required(
                "listen",
                Kind::Listen,
                "Where it listens: an address of this machine with a port, or the path of a socket.",
            ),
            Parameter::with_default("path", Kind::Text, "/metrics", "The path of the metrics in the URL."),
            Parameter::optional(
                "certificate_path",
                READABLE,
                "File with the certificate that is shown, and those that lead to its authority; null is no TLS.",
            ),
            Parameter::optional("key_path", READABLE, "File with the key; null is the file of the certificate."),
            Parameter::optional(
                "username",
                Kind::Text,
                "The user that a request must name (basic authentication); null is none.",
            ),
            Parameter::optional("password_path", READABLE, "File with the password of that user."),
            Parameter::optional(
                "token_path",
                READABLE,
                "File with the token that a request must show (bearer authentication); null is none. Beside a user, one of both is enough.",
            ),
        ],
        prometheus_storage,
    ),
};

fn prometheus_storage(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Made> {
    let listen: ListenAddress = arguments.take("listen")?;
    let is_taken = |other: &Storage| matches!(other, Storage::Prometheus(other) if other.listen == listen);
    if reader.storages().any(is_taken) {
        reader.error_with_help(
            arguments.place_of("listen"),
            format!("another `!PrometheusStorage` listens at {listen} too"),
            "give each an address of its own, or make one storage of them: `&prometheus !PrometheusStorage` here, \
             `*prometheus` there"
                .into(),
        );
        return None;
    }
    let path: String = arguments.take("path")?;
    if let Err(what) = check_url_path(&path) {
        reader.error(arguments.place_of("path"), format!("`path` of `!PrometheusStorage` {what}"));
        return None;
    }
    let certificate = certificate(reader, arguments)?;
    let basic = basic(reader, arguments)?;
    let token_path: Option<String> = arguments.take("token_path")?;
    let place = arguments.place_of("listen").clone();
    if (basic.is_some() || token_path.is_some()) && certificate.is_none() && !listen.is_local() {
        let what = format!(
            "whoever listens on the way to {listen} can read the secret that requests show: without `certificate_path` \
             there is no TLS"
        );
        reader.note(&place, what);
    }
    let storage = PrometheusStorage { listen, path, certificate, basic, token_path, place };
    Some(reader.store(Storage::Prometheus(Box::new(storage))))
}

/// The inner `None`: there is none.
#[allow(clippy::option_option, reason = "said in the comment")]
fn certificate(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Option<Certificate>> {
    let certificate_path: Option<String> = arguments.take("certificate_path")?;
    let key_path: Option<String> = arguments.take("key_path")?;
    match (certificate_path, key_path) {
        (Some(path), key_path) => {
            Some(Some(Certificate { key_path: key_path.unwrap_or_else(|| path.clone()), certificate_path: path }))
        }
        (None, None) => Some(None),
        (None, Some(_)) => {
            reader.error_with_help(
                arguments.place_of("key_path"),
                "`key_path` of `!PrometheusStorage` is the key of no certificate".into(),
                "name the certificate in `certificate_path`".into(),
            );
            None
        }
    }
}

/// The inner `None`: there is none.
#[allow(clippy::option_option, reason = "said in the comment")]
fn basic(reader: &mut Reader<'_>, arguments: &mut Arguments) -> Option<Option<BasicAccess>> {
    let username: Option<String> = arguments.take("username")?;
    let password_path: Option<String> = arguments.take("password_path")?;
    let wrong = match (username, password_path) {
        (None, None) => return Some(None),
        (Some(user), _) if user.is_empty() || user.contains(|found: char| found == ':' || found.is_control()) => {
            ("username", "must be a name, in which there are no colons", "one that is right: prometheus")
        }
        (Some(user), Some(password_path)) => return Some(Some(BasicAccess { user, password_path })),
        (Some(_), None) => ("username", "is a user without a password", "name its file in `password_path`"),
        (None, Some(_)) => ("password_path", "is the password of nobody", "name the user in `username`"),
    };
    let (argument, what, help) = wrong;
    let what = format!("`{argument}` of `!PrometheusStorage` {what}");
    reader.error_with_help(arguments.place_of(argument), what, help.into());
    None
}

/// A path as it stands in a URL (RFC 3986, 3.3), in which nothing is encoded.
fn check_url_path(path: &str) -> Result<(), String> {
    let is_of_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    if !path.starts_with('/') {
        return Err("must be a path of a URL, which begins with `/`".into());
    }
    match path.chars().find(|found| !u8::try_from(*found).is_ok_and(is_of_path)) {
        Some(found) => Err(format!("must be a path of a URL, in which there is no {found:?}")),
        None => Ok(()),
    }
}
