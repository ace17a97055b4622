//! Templates over a store in memory.

use super::*;
use crate::record::{SeedContent, SeedFile, SetupCommand};
use crate::stage::Stage;
use types::{ContainerSize, NetworkAccess, NetworkSettings, RefusalKind};

fn page() -> Page {
    Page { after: None, limit: 10, direction: store::Direction::Ascending }
}

fn recipe() -> Wanted {
    let file = SeedFile { path: "/workspace/a".into(), content: SeedContent::Inline("c2VjcmV0".into()) };
    Wanted {
        container_size: Some(ContainerSize::Small),
        network: Some(NetworkSettings { access: NetworkAccess::Enabled, ..NetworkSettings::default() }),
        env: Some([("A".to_owned(), "hidden value".to_owned())].into()),
        files: Some(vec![file]),
        commands: Some(vec![SetupCommand { command: "a hidden command".into(), cwd: None }]),
        ..Wanted::default()
    }
}

#[tokio::test]
async fn a_template_is_kept_changed_and_deleted() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let project = &stage.project;
    let template = hosting.create_template(project, Some("mine".into()), recipe()).await.unwrap();
    assert!(template.id.starts_with("envtmpl_") && template.id.len() == 32);
    assert_eq!(hosting.template(project, &template.id).await.unwrap(), template);
    assert_eq!(hosting.templates(project, page()).await.unwrap().data, vec![template.clone()]);
    assert_eq!((&*template.settings.files[0].id, template.settings.files[0].bytes), ("", 6));
    let shown = serde_json::to_string(&template).unwrap();
    assert!(!shown.contains("hidden") && !shown.contains("c2VjcmV0"), "{shown}");

    let change = TemplateChange {
        name: Some(None),
        wanted: Wanted { network: Some(NetworkSettings::default()), ..Wanted::default() },
    };
    let changed = hosting.update_template(project, &template.id, change).await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.settings.network.access), (None, NetworkAccess::Disabled));
    assert_eq!(changed.settings.container_size, ContainerSize::Small);
    assert_eq!(hosting.template(project, &template.id).await.unwrap(), changed);
    let recipe = hosting.inner.recipe(project, &template.id).await.unwrap();
    assert_eq!((recipe.env.len(), recipe.files.len(), recipe.commands.len()), (1, 1, 1));

    hosting.delete_template(project, &template.id).await.unwrap();
    let gone = [
        hosting.template(project, &template.id).await.err(),
        hosting.delete_template(project, &template.id).await.err(),
        hosting.update_template(project, &template.id, TemplateChange::default()).await.err(),
        hosting.inner.recipe(project, &template.id).await.err(),
    ];
    for refusal in gone {
        let refusal = refusal.unwrap();
        let message = format!("No environment template found with id '{}'.", template.id);
        assert_eq!((refusal.kind, refusal.message), (RefusalKind::NotFound, message));
    }
    assert!(hosting.templates(project, page()).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn a_template_is_its_projects_alone() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let template = hosting.create_template(&stage.project, None, recipe()).await.unwrap();
    let other = ProjectId::new("other");
    let foreign = hosting.template(&other, &template.id).await.err().unwrap();
    let missing = hosting.template(&other, "envtmpl_none").await.err().unwrap();
    assert_eq!(foreign.message.replace(&template.id, "envtmpl_none"), missing.message);
    assert!(hosting.delete_template(&other, &template.id).await.is_err());
    assert!(hosting.templates(&other, page()).await.unwrap().data.is_empty());
    assert_eq!(hosting.template(&stage.project, &template.id).await.unwrap(), template);
}

#[tokio::test]
async fn a_name_changes_where_a_file_is_gone() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let id = stage.upload(b"four").await;
    let file = SeedFile { path: "/workspace/a".into(), content: SeedContent::File(id.clone()) };
    let wanted = Wanted { files: Some(vec![file]), ..Wanted::default() };
    let template = hosting.create_template(&stage.project, None, wanted.clone()).await.unwrap();
    stage.files.delete(&stage.project, &id).await.unwrap();
    let change = TemplateChange { name: Some(Some("new".into())), wanted: Wanted::default() };
    let changed = hosting.update_template(&stage.project, &template.id, change).await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.settings.files[0].bytes), (Some("new"), 4));
    let refusal = hosting.create_template(&stage.project, None, wanted).await.err().unwrap();
    assert_eq!((refusal.kind, refusal.param.as_deref()), (RefusalKind::Invalid, Some("files[0].file_id")));
}
