//! Saved recipes for environments. A change of one touches no environment that was made of it.

use crate::hosting::{Hosting, Inner};
use crate::record::{Setup, Template};
use crate::rows::refusal;
use crate::wanted::{Recipe, TemplateChange, Wanted, verified};
use runtime::{Listed, Page};
use store::{Error, RowsChange};
use types::{EnvironmentId, ProjectId, Refusal, Stamp};

/// Templates; and of each what is confidential.
const TEMPLATES: &str = "environment_template";
const SETUPS: &str = "environment_template_setup";
/// The word for one in errors.
const WORD: &str = "environment template";

impl Hosting {
    pub async fn create_template(
        &self,
        project: &ProjectId,
        name: Option<String>,
        wanted: Wanted,
    ) -> Result<Template, Refusal> {
        let recipe = Recipe::default().with(verified(wanted, "").await?);
        let sizes = self.inner.sizes(project, &recipe.files, "", true).await?;
        let now = self.inner.around.clock.now();
        let id = Stamp::new(now, &*self.inner.around.entropy).id("envtmpl");
        let (settings, setup) = recipe.split(EnvironmentId::new(""), &sizes, None);
        let template = Template { id, name, settings, created_at: now, updated_at: now };
        self.inner.put_template(project, &template, &setup, true).await?;
        Ok(template)
    }

    pub async fn template(&self, project: &ProjectId, id: &str) -> Result<Template, Refusal> {
        self.inner.template(project, id).await
    }

    pub async fn templates(&self, project: &ProjectId, page: Page) -> Result<Listed<Template>, Refusal> {
        self.inner.rows.list(project, TEMPLATES, WORD, page).await
    }

    /// What is not said stays as it is; what is said takes the place of the whole that was there.
    pub async fn update_template(
        &self,
        project: &ProjectId,
        id: &str,
        change: TemplateChange,
    ) -> Result<Template, Refusal> {
        let TemplateChange { name, wanted } = change;
        let wanted = verified(wanted, "").await?;
        let _one_at_a_time = self.inner.one_at_a_time(id).await;
        let mut template = self.inner.template(project, id).await?;
        let is_known = wanted.files.is_none();
        let recipe = self.inner.recipe(project, id).await?.with(wanted);
        // Files that stay as they are need not be there any more: a session finds that out.
        let sizes = match is_known {
            true => template.settings.files.iter().map(|file| file.bytes).collect(),
            false => self.inner.sizes(project, &recipe.files, "", true).await?,
        };
        let (settings, setup) = recipe.split(EnvironmentId::new(""), &sizes, None);
        template.settings = settings;
        template.name = name.unwrap_or(template.name);
        template.updated_at = self.inner.around.clock.now();
        self.inner.put_template(project, &template, &setup, false).await?;
        Ok(template)
    }

    pub async fn delete_template(&self, project: &ProjectId, id: &str) -> Result<(), Refusal> {
        let _one_at_a_time = self.inner.one_at_a_time(id).await;
        self.inner.template(project, id).await?;
        let deletes = [TEMPLATES, SETUPS].map(|collection| (collection.to_owned(), id.to_owned())).into();
        let change = RowsChange { at: self.inner.around.clock.now(), deletes, ..RowsChange::default() };
        self.inner.around.store.change_rows(project, change).await.map_err(|error| refusal(&error))
    }
}

impl Inner {
    /// What environments of a template are made of.
    pub(crate) async fn recipe(&self, project: &ProjectId, id: &str) -> Result<Recipe, Refusal> {
        let template = self.template(project, id).await?;
        let setup: Option<Setup> = self.rows.read(project, SETUPS, id).await?;
        // Deleted between the two.
        Ok(Recipe::of(template, setup.ok_or_else(|| Refusal::not_found(WORD, id))?))
    }

    async fn template(&self, project: &ProjectId, id: &str) -> Result<Template, Refusal> {
        let row = self.rows.read(project, TEMPLATES, id).await?;
        row.ok_or_else(|| Refusal::not_found(WORD, id))
    }

    /// Writes both rows, or neither.
    async fn put_template(
        &self,
        project: &ProjectId,
        template: &Template,
        setup: &Setup,
        insert: bool,
    ) -> Result<(), Refusal> {
        let (id, created_at) = (&*template.id, template.created_at);
        let puts = vec![
            (self.rows.row((TEMPLATES, id), created_at, template)?, insert),
            (self.rows.row((SETUPS, id), created_at, setup)?, insert),
        ];
        let change = RowsChange { at: template.updated_at, puts, ..RowsChange::default() };
        match self.around.store.change_rows(project, change).await {
            // Deleted since it was read: an id is never used again.
            Err(Error::Exists) => Err(Refusal::not_found(WORD, id)),
            done => done.map_err(|error| refusal(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
