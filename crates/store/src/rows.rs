//! One change of several rows, and of the blobs that rows name: what is made of blobs is there with all of them or not
//! at all, and takes them along when it goes.

use crate::{BlobHash, Row};
use types::Timestamp;

/// All or nothing.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct RowsChange {
    /// Its moment: that of the tombstones.
    pub at: Timestamp,
    /// Rows to write, each with whether it must be new.
    pub puts: Vec<(Row, bool)>,
    /// Rows to delete, by collection and id.
    pub deletes: Vec<(String, String)>,
    /// Rows to erase, by collection and id, deleted ones too: nothing is left of them, not the place either. A page that
    /// begins at one names nothing, and its id is free.
    pub erases: Vec<(String, String)>,
    /// Blobs that rows name from now on, with their sizes in bytes. They are written already.
    pub names: Vec<(BlobHash, u64)>,
    /// Blobs that no row names any more.
    pub forgets: Vec<BlobHash>,
}
