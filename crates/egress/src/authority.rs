//! The certificate authority of one environment: what its sandbox trusts where TLS is ended. Its key lives as long as
//! this value and is written nowhere; a sandbox that is started again gets a new one.

use crate::host::Host;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use types::Timestamp;

const DAY: u64 = 24 * 3600;
/// Days that a host's certificate is good for, and after how many a new one is made.
const GOOD: u64 = 30;
const FRESH: u64 = 7;
/// Hosts whose certificates are kept ready.
const KEPT: usize = 256;

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate could be made: {0}")]
pub struct Failed(String);

/// One environment's authority.
pub struct Authority {
    issuer: Certificate,
    issuer_key: KeyPair,
    /// All hosts have the same key: they are all this proxy.
    key: KeyPair,
    serial: AtomicU64,
    ready: Mutex<BTreeMap<Host, (Timestamp, Arc<ServerConfig>)>>,
}

impl Authority {
    /// A new authority, good for ten years from the day before `now`.
    pub fn create(now: Timestamp) -> Result<Self, Failed> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("Outcrop environment authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        good_for(&mut params, now, 3650);
        let key = KeyPair::generate().map_err(failed)?;
        Ok(Self {
            issuer: params.self_signed(&key).map_err(failed)?,
            issuer_key: key,
            key: KeyPair::generate().map_err(failed)?,
            serial: AtomicU64::new(now.0),
            ready: Mutex::new(BTreeMap::new()),
        })
    }

    /// What a sandbox adds to what it trusts.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem(self.certificate())
    }

    /// The same in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// TLS in a host's name, HTTP/1.1 only.
    pub(crate) fn server(&self, host: &Host, now: Timestamp) -> Result<Arc<ServerConfig>, Failed> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, config)) = ready.get(host)
            && now.0.abs_diff(made.0) < FRESH * DAY * 1000
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(host, now)?);
        if ready.len() >= KEPT {
            ready.clear();
        }
        ready.insert(host.clone(), (now, Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self, host: &Host, now: Timestamp) -> Result<ServerConfig, Failed> {
        let name = match host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let mut params = CertificateParams::new(vec![name]).map_err(failed)?;
        params.distinguished_name = named("Outcrop egress");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from(self.serial.fetch_add(1, Relaxed)));
        good_for(&mut params, now, GOOD);
        let leaf = params.signed_by(&self.key, &self.issuer, &self.issuer_key).map_err(failed)?.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .map_err(failed)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// A certificate as text.
pub(crate) fn pem(certificate: &[u8]) -> String {
    let text = BASE64.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn named(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

/// From the day before now, for so many days: clocks in a sandbox may be behind.
fn good_for(params: &mut CertificateParams, now: Timestamp, days: u64) {
    let first = Duration::from_secs((now.0 / 1000).saturating_sub(DAY));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + first;
    params.not_after = params.not_before + Duration::from_secs(days * DAY);
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
}
