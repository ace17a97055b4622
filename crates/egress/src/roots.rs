//! Whom the proxy believes when it opens TLS itself: the machine's own store.

use crate::authority::pem;
use rustls::RootCertStore;

/// The machine's certificates. One that cannot be read is left out and said in the log; where there are none at all,
/// no host that is given secrets can be reached.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "a certificate of this machine could not be read");
    }
    let mut roots = RootCertStore::empty();
    let (taken, left) = roots.add_parsable_certificates(loaded.certs);
    if taken == 0 {
        tracing::warn!(left, "this machine has no certificates: hosts that are given secrets cannot be reached");
    }
    roots
}

/// The same certificates as text: what programs in a sandbox believe beside its own authority.
#[must_use]
pub fn system_certificates() -> String {
    rustls_native_certs::load_native_certs().certs.iter().map(|certificate| pem(certificate)).collect()
}
