//! Access keys: keys whose holders sign their requests instead of showing a secret. Their ids are no secret. How a
//! signature is checked, and what the secret of an id is, is not known here.

use super::{Catalog, Identity, hash};
use store::KeyRow;
use types::{ProjectId, Refusal};

/// What the id of an access key begins with, as AWS's do.
const PREFIX: &str = "AKIA";
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LENGTH: usize = 16;

impl Catalog {
    /// Whose access key this is, revoked ones being nobody's. Answers may be half a second old. That the request is
    /// signed with it is still to be shown.
    pub async fn access_key(&self, id: &str) -> Result<Option<Identity>, Refusal> {
        self.holder(access_hash(id)).await
    }

    /// A new access key: its id is the row's hint.
    pub async fn create_access_key(&self, project: &ProjectId, scopes: Vec<String>) -> Result<KeyRow, Refusal> {
        let mut drawn = [0_u8; LENGTH];
        self.world.entropy.fill(&mut drawn);
        let letters = drawn.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)]));
        let id: String = PREFIX.chars().chain(letters).collect();
        self.put_key(project, access_hash(&id), id, scopes).await
    }
}

/// Never the hash of any text: so neither the id nor anything made of it is a key by itself.
fn access_hash(id: &str) -> String {
    format!("aws:{}", hash(id))
}
