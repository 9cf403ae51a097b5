//! Who may read: basic (RFC 7617) and bearer (RFC 6750) authentication.

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// What a request must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user with a password.
    Basic {
        /// The user; without a colon.
        user: String,
        /// The password.
        password: Vec<u8>,
    },
    /// A token.
    Bearer {
        /// The token.
        token: Vec<u8>,
    },
}

/// A secret that no request could show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It cannot stand in a head of HTTP.
    #[error("a token has letters, digits and -._~+/= alone, and this one has other characters")]
    Token,
}

/// Who may read: everybody, or who shows one of some credentials. Nothing here can be printed.
#[derive(Clone, Default)]
pub struct Access {
    accepted: Vec<Accepted>,
}

#[derive(Clone)]
struct Accepted {
    scheme: &'static str,
    /// SHA-256 of what follows the scheme: of equal length whatever was shown, so that comparing tells nothing of the secret.
    digest: [u8; 32],
}

impl Access {
    /// For who shows any of these; without any, for everybody.
    ///
    /// # Errors
    /// [`AccessError`] for a secret that no request could show.
    pub fn new(credentials: &[Credentials]) -> Result<Self, AccessError> {
        let accepted = credentials.iter().map(|credentials| match credentials {
            Credentials::Basic { password, .. } if password.is_empty() => Err(AccessError::Empty),
            Credentials::Bearer { token } if token.is_empty() => Err(AccessError::Empty),
            Credentials::Basic { user, password } => {
                let shown = base64(&[user.as_bytes(), b":", password].concat());
                Ok(Accepted { scheme: "Basic", digest: Sha256::digest(shown).into() })
            }
            Credentials::Bearer { token } if token.iter().all(|byte| is_of_token(*byte)) => {
                Ok(Accepted { scheme: "Bearer", digest: Sha256::digest(token).into() })
            }
            Credentials::Bearer { .. } => Err(AccessError::Token),
        });
        Ok(Self { accepted: accepted.collect::<Result<_, _>>()? })
    }

    /// Whether who shows this value of `Authorization` may read.
    pub(super) fn is_granted(&self, authorization: Option<&[u8]>) -> bool {
        if self.accepted.is_empty() {
            return true;
        }
        let authorization = authorization.unwrap_or_default();
        let end = authorization.iter().position(|byte| *byte == b' ').unwrap_or(authorization.len());
        let (scheme, shown) = authorization.split_at(end);
        let digest: [u8; 32] = Sha256::digest(shown.trim_ascii()).into();
        let mut granted = Choice::from(0);
        for accepted in &self.accepted {
            let is_scheme = scheme.eq_ignore_ascii_case(accepted.scheme.as_bytes());
            granted |= accepted.digest.ct_eq(&digest) & Choice::from(u8::from(is_scheme));
        }
        granted.into()
    }

    /// The values of `WWW-Authenticate` for who may not.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &'static str> {
        self.accepted.iter().map(|accepted| match accepted.scheme {
            "Basic" => "Basic realm=\"wca\", charset=\"UTF-8\"",
            _ => "Bearer realm=\"wca\"",
        })
    }
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Base 64 with padding (RFC 4648, 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * at) & 63];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The vectors of RFC 4648, 10.
    #[rstest]
    #[case("", "")]
    #[case("f", "Zg==")]
    #[case("fo", "Zm8=")]
    #[case("foo", "Zm9v")]
    #[case("foob", "Zm9vYg==")]
    #[case("fooba", "Zm9vYmE=")]
    #[case("foobar", "Zm9vYmFy")]
    fn base_64(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(base64(text.as_bytes()), expected);
    }

    fn basic(password: &[u8]) -> Credentials {
        Credentials::Basic { user: "Aladdin".into(), password: password.into() }
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::Bearer { token: token.into() }
    }

    /// The user is that of RFC 7617, 2.
    #[rstest]
    #[case::basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true)]
    #[case::small("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true)]
    #[case::other_password("Basic QWxhZGRpbjpvcGVuIHNlc2FtZT==", false)]
    #[case::part("Basic QWxhZGRpbjpvcGVuIHNlc2Ft", false)]
    #[case::other_scheme("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false)]
    #[case::bearer("Bearer t0ken", true)]
    #[case::blanks("Bearer   t0ken ", true)]
    #[case::longer("Bearer t0ken1", false)]
    #[case::token_as_basic("Basic t0ken", false)]
    #[case::scheme_alone("Bearer", false)]
    #[case::nothing("", false)]
    fn who_shows_a_secret_may_read(#[case] authorization: &str, #[case] granted: bool) {
        let access = Access::new(&[basic(b"open sesame"), bearer("t0ken")]).unwrap();
        assert_eq!(access.is_granted(Some(authorization.as_bytes())), granted);
        assert!(!access.is_granted(None) && Access::default().is_granted(None));
        assert_eq!(access.challenges().count(), 2);
    }

    #[test]
    fn what_no_request_could_show_is_refused() {
        for (credentials, expected) in [
            (basic(b""), AccessError::Empty),
            (bearer(""), AccessError::Empty),
            (bearer("two words"), AccessError::Token),
            (bearer("t0k\u{e4}n"), AccessError::Token),
        ] {
            assert_eq!(Access::new(&[credentials]).err(), Some(expected));
        }
    }
}
