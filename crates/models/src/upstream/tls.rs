//! TLS towards upstreams: rustls with ring, and the system's own root certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR`
//! replace them), so that private authorities work. No provider is installed for the process: the configuration is
//! handed to the client as it is.

use super::Error;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Fails without any root certificate, if one is `needed`; plain HTTP works on a machine that has none.
pub(super) fn client_config(needed: bool) -> Result<ClientConfig, Error> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "some root certificates could not be read");
    }
    let mut roots = RootCertStore::empty();
    // System stores hold ancient certificates that do not parse; they are left out, the others serve.
    roots.add_parsable_certificates(loaded.certs);
    if needed && roots.is_empty() {
        return Err(Error::Roots);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
