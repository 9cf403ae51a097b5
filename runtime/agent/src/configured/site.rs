//! What an endpoint for Prometheus serves, and to whom: with the certificates and secrets that the warden has opened.

use std::fs::File;
use std::io::Read as _;

use wca_config::{Certificate, ConfigError, PrometheusStorage};
use wca_messages::{Reply, Request};
use wca_storage::prometheus::{Access, Credentials, Site, Tls, TlsError, TlsFile};

use crate::client::{Client, ClientError};
use crate::settings::Configured;

/// Most bytes of a certificate or a secret.
const MOST: u64 = 1 << 20;

/// What this storage serves.
pub(super) async fn site(
    client: &Client,
    settings: &Configured,
    storage: &PrometheusStorage,
) -> Result<Site, ConfigError> {
    let secrets = Secrets { client, settings };
    let built = secrets.site(storage).await;
    built.map_err(|what| ConfigError {
        place: Box::new(storage.place.clone()),
        what: format!("`!PrometheusStorage` at {}: {what}", storage.listen),
        help: None,
    })
}

/// Of which path an error of a certificate is told.
fn path_at_fault(files: &Certificate, file: TlsFile) -> String {
    let (certificate, key) = (&files.certificate_path, &files.key_path);
    match file {
        TlsFile::Certificate => certificate.clone(),
        TlsFile::Key => key.clone(),
        TlsFile::Either if key == certificate => certificate.clone(),
        TlsFile::Either => format!("{certificate} with {key}"),
    }
}

/// Certificates and secrets, as the warden has opened them.
pub(super) struct Secrets<'a> {
    pub(super) client: &'a Client,
    pub(super) settings: &'a Configured,
}

impl Secrets<'_> {
    async fn site(&self, storage: &PrometheusStorage) -> Result<Site, String> {
        let tls = match &storage.certificate {
            None => None,
            Some(files) => {
                let (certificate, key) = (self.read(&files.certificate_path).await?, self.read(&files.key_path).await?);
                let failed = |error: TlsError| format!("{}: {error}", path_at_fault(files, error.file()));
                Some(Tls::new(&certificate, &key).map_err(failed)?)
            }
        };
        let mut credentials = Vec::new();
        if let Some(basic) = &storage.basic {
            let (user, password) = (basic.user.clone(), self.secret(&basic.password_path).await?);
            credentials.push((&basic.password_path, Credentials::Basic { user, password }));
        }
        if let Some(path) = &storage.token_path {
            credentials.push((path, Credentials::Bearer { token: self.secret(path).await? }));
        }
        for (path, credentials) in &credentials {
            Access::new(std::slice::from_ref(credentials)).map_err(|error| format!("{path}: {error}"))?;
        }
        let credentials: Vec<Credentials> = credentials.into_iter().map(|(_, credentials)| credentials).collect();
        let access = Access::new(&credentials).map_err(|error| error.to_string())?;
        Ok(Site { path: storage.path.clone(), tls, access })
    }

    /// What stands in a file, without the end of its line.
    async fn secret(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut secret = self.read(path).await?;
        if secret.last() == Some(&b'\n') {
            secret.pop();
            if secret.last() == Some(&b'\r') {
                secret.pop();
            }
        }
        Ok(secret)
    }

    /// What stands in a file.
    pub(super) async fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let number = self.settings.secrets.iter().find(|(known, _)| known == path).map(|(_, number)| *number);
        let file = number.ok_or_else(|| format!("{path}: the warden was not asked to open it"))?;
        let failed = |error: ClientError| format!("{path}: {error}");
        let answer = self.client.ask(&Request::Open { file }).await.map_err(failed)?;
        let (Reply::Opened { .. }, Some(descriptor)) = (answer.reply, answer.descriptors.into_iter().next()) else {
            return Err(failed(ClientError::Unexpected));
        };
        let mut content = Vec::new();
        let read = File::from(descriptor).take(MOST + 1).read_to_end(&mut content);
        read.map_err(|error| format!("{path}: {error}"))?;
        if content.len() as u64 > MOST {
            return Err(format!("{path}: it has more than {MOST} bytes"));
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_wrong_is_told() {
        let files = |key: &str| Certificate { certificate_path: "/c.pem".into(), key_path: key.into() };
        for (key, file, expected) in [
            ("/k.pem", TlsFile::Certificate, "/c.pem"),
            ("/k.pem", TlsFile::Key, "/k.pem"),
            ("/k.pem", TlsFile::Either, "/c.pem with /k.pem"),
            ("/c.pem", TlsFile::Either, "/c.pem"),
        ] {
            assert_eq!(path_at_fault(&files(key), file), expected, "{file:?}");
        }
    }
}
