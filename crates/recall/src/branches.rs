//! Branches of a session: where each begins, and the line of events that leads to its newest one.

use crate::memories::Inner;
use crate::names::{Label, Scope};
use crate::record::{Branch, BranchRow, Kept};
use crate::trouble::{Reason, Trouble};
use crate::{limits, rows};
use types::ProjectId;

/// The branch of events that name none.
pub(crate) const MAIN: &str = "main";

/// Events of one branch, up to one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// The collection whose rows are read.
    pub(crate) collection: String,
    /// Only events of the main branch.
    pub(crate) only_main: bool,
    /// Begins at this event, with it.
    pub(crate) from: Option<String>,
}

impl Inner {
    /// The branch that a new event is of, and the row of one that begins with it.
    pub(crate) async fn branch(
        &self,
        project: &ProjectId,
        scope: &Scope,
        wanted: Option<&Branch>,
    ) -> Result<(Option<Branch>, Option<BranchRow>), Trouble> {
        let Some(wanted) = wanted else { return Ok((None, None)) };
        if wanted.name == MAIN {
            return match &wanted.root {
                None => Ok((Some(wanted.clone()), None)),
                Some(_) => Err(Trouble::wrong("branch.rootEventId", "The main branch has no root event.")),
            };
        }
        let store = &*self.around.store;
        let known: Option<BranchRow> = rows::read(store, project, &scope.branches(), &wanted.name).await?;
        if let Some(known) = known {
            if wanted.root.as_ref().is_some_and(|root| *root != known.root) {
                let text = format!("The branch '{}' begins at another event.", wanted.name);
                return Err(Trouble::because(Reason::Conflict, text));
            }
            return Ok((Some(Branch { name: wanted.name.clone(), root: Some(known.root) }), None));
        }
        let Some(root) = &wanted.root else {
            let text = format!("There is no branch '{}': rootEventId says where a new one begins.", wanted.name);
            return Err(Trouble::wrong("branch.rootEventId", text));
        };
        let Some(kept) = rows::read::<Kept>(store, project, &scope.events(), root).await? else {
            return Err(Trouble::because(Reason::Elsewhere, "branch.rootEventId names no event of this session."));
        };
        if rows::oldest(store, project, &scope.branches(), limits::BRANCHES).await?.len() >= limits::BRANCHES {
            return Err(Trouble::Full(format!("A session has at most {} branches.", limits::BRANCHES)));
        }
        let parent = kept.branch.map(|branch| branch.name).filter(|name| name != MAIN);
        Ok((Some(wanted.clone()), Some(BranchRow { root: root.clone(), parent })))
    }

    /// The events of a branch, and of those that it goes on from where `parents`. None for a branch that there is not.
    pub(crate) async fn lines(
        &self,
        project: &ProjectId,
        scope: &Scope,
        name: &str,
        parents: bool,
    ) -> Result<Vec<Line>, Trouble> {
        let (mut lines, mut name, mut from) = (Vec::new(), name.to_owned(), None);
        while lines.len() <= limits::BRANCHES {
            if name == MAIN {
                lines.push(Line { collection: scope.events(), only_main: true, from });
                break;
            }
            let store = &*self.around.store;
            let Some(row) = rows::read::<BranchRow>(store, project, &scope.branches(), &name).await? else { break };
            lines.push(Line { collection: scope.labelled(&Label::Branch(&name)), only_main: false, from });
            if !parents {
                break;
            }
            from = Some(row.root);
            name = row.parent.unwrap_or_else(|| MAIN.to_owned());
        }
        Ok(lines)
    }
}
