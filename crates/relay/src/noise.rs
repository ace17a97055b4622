//! The handshake, in both roles: `Noise_hybridIK` over X25519 and ML-KEM-768, AES-256-GCM and SHA-256. The harness begins
//! it with the executor's keys known, and brings an authorization with its first message.

use crate::Fault;
use clatter::bytearray::ByteArray;
use clatter::crypto::cipher::AesGcm;
use clatter::crypto::dh::X25519;
use clatter::crypto::hash::Sha256;
use clatter::crypto::kem::rust_crypto_ml_kem::MlKem768;
use clatter::handshakepattern::noise_hybrid_ik;
use clatter::traits::{Dh, Handshaker, Kem};
use clatter::transportstate::TransportState;
use clatter::{HybridHandshake, HybridHandshakeParams, KeyPair};

pub const X25519_BYTES: usize = 32;
pub const MLKEM768_BYTES: usize = 1184;
/// What may come with the first message.
pub const AUTHORIZATION_LIMIT: usize = 4096;
/// Both messages are smaller, and the library panics at 64 KiB.
const HANDSHAKE_LIMIT: usize = 16 * 1024;
const DOMAIN: &str = "codex-exec-server-relay-noise/v1";

type Handshake = HybridHandshake<X25519, MlKem768, MlKem768, AesGcm, Sha256>;
pub type Transport = TransportState<AesGcm, Sha256>;
type KemPublic = <MlKem768 as Kem>::PubKey;

/// Which stream a channel belongs to. Both sides must mean the same one, or the handshake fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub environment: String,
    pub registration: String,
    pub stream: String,
}

impl Place {
    fn prologue(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [DOMAIN, &self.environment, &self.registration, &self.stream] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// One side's static keys.
#[derive(Clone)]
pub struct Keys {
    dh: KeyPair<<X25519 as Dh>::PubKey, <X25519 as Dh>::PrivateKey>,
    kem: KeyPair<KemPublic, <MlKem768 as Kem>::SecretKey>,
}

impl Keys {
    /// Fresh keys from the kernel's randomness.
    pub fn generate() -> Result<Self, Fault> {
        let dh = X25519::genkey().map_err(|error| Fault::Handshake(error.to_string()))?;
        let kem = MlKem768::genkey().map_err(|error| Fault::Handshake(error.to_string()))?;
        Ok(Self { dh, kem })
    }

    pub fn public(&self) -> PublicKeys {
        PublicKeys { x25519: self.dh.public, mlkem768: self.kem.public.as_slice().to_vec() }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKeys {
    x25519: [u8; X25519_BYTES],
    mlkem768: Vec<u8>,
}

impl PublicKeys {
    /// [`Fault::Key`] unless both have their length.
    pub fn new(x25519: &[u8], mlkem768: &[u8]) -> Result<Self, Fault> {
        let x25519 = x25519.try_into().map_err(|_| Fault::Key)?;
        if mlkem768.len() != MLKEM768_BYTES {
            return Err(Fault::Key);
        }
        Ok(Self { x25519, mlkem768: mlkem768.to_vec() })
    }

    pub fn x25519(&self) -> &[u8] {
        &self.x25519
    }

    pub fn mlkem768(&self) -> &[u8] {
        &self.mlkem768
    }
}

/// The harness's side until the executor has answered.
pub struct Initiator {
    handshake: Handshake,
}

impl Initiator {
    /// The first message comes with it.
    pub fn begin(place: &Place, own: &Keys, peer: &PublicKeys, authorization: &[u8]) -> Result<(Self, Vec<u8>), Fault> {
        if authorization.is_empty() || authorization.len() > AUTHORIZATION_LIMIT {
            return Err(Fault::TooLarge("an authorization"));
        }
        let prologue = place.prologue();
        let parameters = HybridHandshakeParams::new(noise_hybrid_ik(), true)
            .with_prologue(&prologue)
            .with_s(own.dh.clone())
            .with_s_kem(own.kem.clone())
            .with_rs(peer.x25519)
            .with_rs_kem(KemPublic::from_slice(&peer.mlkem768));
        let mut handshake = Handshake::new(parameters).map_err(failed)?;
        let message = write(&mut handshake, authorization)?;
        Ok((Self { handshake }, message))
    }

    pub fn finish(mut self, message: &[u8]) -> Result<Transport, Fault> {
        read(&mut self.handshake, message)?;
        self.handshake.finalize().map_err(failed)
    }
}

/// What a harness says of itself with its first message. Whoever may be spoken to is for the caller to find out, before
/// it answers.
pub struct Claim {
    handshake: Handshake,
    pub harness: PublicKeys,
    pub authorization: Vec<u8>,
    pub(crate) stream: String,
}

impl Claim {
    /// Reads the first message, on the executor's side.
    pub fn read(place: &Place, own: &Keys, message: &[u8]) -> Result<Self, Fault> {
        let prologue = place.prologue();
        let parameters = HybridHandshakeParams::new(noise_hybrid_ik(), false)
            .with_prologue(&prologue)
            .with_s(own.dh.clone())
            .with_s_kem(own.kem.clone());
        let mut handshake = Handshake::new(parameters).map_err(failed)?;
        let authorization = read(&mut handshake, message)?;
        if authorization.is_empty() || authorization.len() > AUTHORIZATION_LIMIT {
            return Err(Fault::TooLarge("an authorization"));
        }
        let peer = handshake.get_remote_static().ok_or(Fault::Key)?;
        let harness = PublicKeys::new(peer.dh().as_slice(), peer.kem().as_slice())?;
        Ok(Self { handshake, harness, authorization, stream: place.stream.clone() })
    }

    pub(crate) fn answer(mut self) -> Result<(Transport, Vec<u8>), Fault> {
        let message = write(&mut self.handshake, &[])?;
        Ok((self.handshake.finalize().map_err(failed)?, message))
    }
}

fn write(handshake: &mut Handshake, payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut message = vec![0; HANDSHAKE_LIMIT];
    let length = handshake.write_message(payload, &mut message).map_err(failed)?;
    message.truncate(length);
    Ok(message)
}

fn read(handshake: &mut Handshake, message: &[u8]) -> Result<Vec<u8>, Fault> {
    if message.len() > HANDSHAKE_LIMIT {
        return Err(Fault::TooLarge("a handshake"));
    }
    let mut payload = vec![0; HANDSHAKE_LIMIT];
    let length = handshake.read_message(message, &mut payload).map_err(failed)?;
    payload.truncate(length);
    Ok(payload)
}

fn failed(error: clatter::error::HandshakeError) -> Fault {
    Fault::Handshake(error.to_string())
}
