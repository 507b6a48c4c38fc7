//! TLS: whom to trust and what to show, from the files that the address names or from what the system trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::address::Tls;

/// Why there can be no TLS. Says which file, and never what is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the certificates in {0} cannot be read: {1}")]
    Certificates(String, String),
    #[error("the key in {0} cannot be read or does not fit the certificate")]
    Key(String),
    #[error(
        "the system has no certificates of authorities; install ca-certificates, or name a file: ca=… in session.save_path"
    )]
    NoRoots,
    #[error("{0}")]
    Other(#[from] rustls::Error),
    #[error("TLS needs the name or the number of a host")]
    Host,
}

/// What connections of one store have in common.
pub(crate) fn configuration(tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate)?;
            }
        }
        // Single certificates that rustls cannot use do not keep the others from being used.
        None => roots
            .add_parsable_certificates(rustls_native_certs::load_native_certs().certs)
            .0
            .checked_sub(1)
            .map(drop)
            .ok_or(TlsError::NoRoots)?,
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let configuration = match (&tls.cert, &tls.key) {
        (Some(certificate), Some(file)) => {
            let unusable = || TlsError::Key(file.display().to_string());
            let key = PrivateKeyDer::from_pem_file(file).map_err(|_| unusable())?;
            builder.with_client_auth_cert(certificates(certificate)?, key).map_err(|_| unusable())?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(configuration))
}

/// A connection to `host` that has not begun.
pub(crate) fn connection(configuration: &Arc<ClientConfig>, host: &str) -> Result<ClientConnection, TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host)?;
    Ok(ClientConnection::new(Arc::clone(configuration), name)?)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |reason: String| TlsError::Certificates(file.display().to_string(), reason);
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(error.to_string()))?;
    if certificates.is_empty() { Err(unreadable("it holds none".to_owned())) } else { Ok(certificates) }
}
