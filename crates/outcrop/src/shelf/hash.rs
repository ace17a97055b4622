//! SHA-256 of files, in pieces, so that whoever waits for it can be interrupted.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What is read between two looks at signals. Bytes.
const PIECE: usize = 1 << 20;

/// Feeds a whole file to `hash` and says how long it is.
pub async fn feed(hash: &mut Sha256, path: &Path) -> Result<u64> {
    let unreadable = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(unreadable)?;
    let mut buffer = vec![0_u8; PIECE];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer).with_context(unreadable)?;
        if read == 0 {
            return Ok(length);
        }
        hash.update(&buffer[..read]);
        length += read as u64;
        tokio::task::yield_now().await;
    }
}

/// SHA-256, hex.
pub async fn of(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    feed(&mut hash, path).await?;
    Ok(types::hex(&hash.finalize()))
}
