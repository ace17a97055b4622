//! Contents that rows of others name: kept in blobs like files, and no files of `/v1/files`. Whoever keeps them has the rows,
//! which say what is what; the blobs come and go with a change of these rows.

use super::{Draft, File, Files, Part, hashes, names, size};
use store::{Row, RowsChange};
use types::{ProjectId, Refusal, Timestamp};

/// One change of rows, and of the contents that they name.
#[derive(Default)]
pub struct Keep {
    /// Rows to write, each with whether it must be new.
    pub puts: Vec<(Row, bool)>,
    /// Rows to delete, by collection and id.
    pub deletes: Vec<(String, String)>,
    /// Contents that the rows name from now on; `finish` said their parts.
    pub kept: Vec<Draft>,
    /// Parts that no row names any more.
    pub gone: Vec<Part>,
}

impl Files {
    /// Makes the change, all or nothing. Where it is not made, what the drafts hold is taken away.
    pub async fn keep(&self, project: &ProjectId, keep: Keep) -> Result<(), Refusal> {
        let Keep { puts, deletes, mut kept, gone } = keep;
        let mut named = Vec::new();
        for draft in &mut kept {
            named.extend(names(&draft.finish().await?));
        }
        let at = self.world.clock.now();
        let change = RowsChange { at, puts, deletes, names: named, forgets: hashes(&gone), ..RowsChange::default() };
        Draft::keep_all(kept, self.change(project, change)).await
    }
}

impl File {
    /// Contents that rows of others name, to be read through [`Files::part`].
    pub fn of_parts(id: &str, filename: &str, created_at: Timestamp, parts: Vec<Part>) -> Self {
        Self {
            id: id.to_owned(),
            created_at,
            expires_at: None,
            filename: filename.to_owned(),
            purpose: String::new(),
            media_type: None,
            size: size(&parts),
            parts,
        }
    }
}
