//! Saved recipes for environments.

use crate::hosting::{Hosting, unavailable};
use crate::record::Template;
use crate::wanted::{TemplateChange, Wanted};
use runtime::{Listed, Page};
use types::{ProjectId, Refusal};

impl Hosting {
    pub async fn create_template(
        &self,
        _project: &ProjectId,
        _name: Option<String>,
        _wanted: Wanted,
    ) -> Result<Template, Refusal> {
        unavailable()
    }

    pub async fn template(&self, _project: &ProjectId, _id: &str) -> Result<Template, Refusal> {
        unavailable()
    }

    pub async fn templates(&self, _project: &ProjectId, _page: Page) -> Result<Listed<Template>, Refusal> {
        unavailable()
    }

    pub async fn update_template(
        &self,
        _project: &ProjectId,
        _id: &str,
        _change: TemplateChange,
    ) -> Result<Template, Refusal> {
        unavailable()
    }

    pub async fn delete_template(&self, _project: &ProjectId, _id: &str) -> Result<(), Refusal> {
        unavailable()
    }
}
