//! From what is asked for to what will be: the template is read, uploaded files are looked up, archives are opened.

use super::recipe::Recipe;
use super::{Wanted, check, network};
use crate::archive::{self, Kind};
use crate::hosting::Inner;
use crate::record::{Archive, SeedContent, SeedFile, Setup};
use types::{EnvironmentId, HostedSettings, ProjectId, Refusal, RefusalKind, Stamp};

/// The field of requests that names a template.
const TEMPLATE: &str = "environment_template_id";

impl Inner {
    /// What a request for an environment comes to. Writes nothing. `at` goes before each `param`: `environment.`.
    pub(crate) async fn settle(
        &self,
        project: &ProjectId,
        id: EnvironmentId,
        wanted: Wanted,
        at: &str,
    ) -> Result<(HostedSettings, Setup), Refusal> {
        let wanted = verified(wanted, at).await?;
        let base = match &wanted.template {
            None => Recipe::default(),
            Some(id) => {
                let found = self.recipe(project, id).await;
                let base = found.map_err(|refusal| refusal.at(format!("{at}{TEMPLATE}")))?;
                within(&wanted, &base, at)?;
                base
            }
        };
        let own_files = wanted.files.is_some();
        let recipe = base.with(wanted);
        let sizes = self.sizes(project, &recipe.files, at, own_files).await?;
        let stamp = Stamp::new(self.around.clock.now(), &*self.around.entropy);
        Ok(recipe.split(id, &sizes, Some(stamp)))
    }

    /// Bytes of each file. An uploaded one must be there now. `own`: the request names it, not its template.
    pub(crate) async fn sizes(
        &self,
        project: &ProjectId,
        files: &[SeedFile],
        at: &str,
        own: bool,
    ) -> Result<Vec<u64>, Refusal> {
        let mut sizes = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let id = match &file.content {
                SeedContent::Inline(text) => {
                    sizes.push(check::inline_size(text)?);
                    continue;
                }
                SeedContent::File(id) => id,
            };
            let param = if own { format!("{at}files[{index}].file_id") } else { format!("{at}{TEMPLATE}") };
            let known = match self.files()?.file(project, id).await {
                Err(refusal) if refusal.kind == RefusalKind::NotFound => {
                    let shown: String = id.chars().take(64).collect();
                    return Err(Refusal::invalid(format!("File not found: {shown}")).at(param));
                }
                known => known?,
            };
            if known.size > check::UPLOADED {
                let message =
                    format!("File {id} has {} bytes. Expected at most {} bytes.", known.size, check::UPLOADED);
                return Err(Refusal::invalid(message).at(param));
            }
            sizes.push(known.size);
        }
        Ok(sizes)
    }
}

fn within(wanted: &Wanted, base: &Recipe, at: &str) -> Result<(), Refusal> {
    let Some(own) = &wanted.network else { return Ok(()) };
    if network::is_within(own, &base.network)? {
        return Ok(());
    }
    let message = "The network policy of a request must not be broader than that of its template.";
    Err(Refusal::invalid(message).at(format!("{at}network")))
}

/// The same, where all of it may be asked for.
pub(crate) async fn verified(wanted: Wanted, at: &str) -> Result<Wanted, Refusal> {
    let at = at.to_owned();
    let has_archives = [&wanted.skills, &wanted.plugins].into_iter().flatten().any(|archives| !archives.is_empty());
    let turn = if has_archives { archive::turn().await } else { None };
    let look = move || {
        // Until it is done, whether or not anybody still waits for it.
        let _turn = turn;
        check::check(&wanted, &at)?;
        for (kind, field, archives) in
            [(Kind::Skill, "skills", &wanted.skills), (Kind::Plugin, "plugins", &wanted.plugins)]
        {
            for (index, archive) in archives.iter().flatten().enumerate() {
                open(kind, archive).map_err(|refusal| {
                    let param = refusal.param.clone().unwrap_or_default();
                    refusal.at(format!("{at}{field}[{index}].{param}"))
                })?;
            }
        }
        Ok(wanted)
    };
    // Tens of megabytes may have to be unpacked.
    #[expect(clippy::disallowed_methods, reason = "an edge: unpacking is long work without a pause")]
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Internal, "The request could not be looked at.")))
}

fn open(kind: Kind, archive: &Archive) -> Result<(), Refusal> {
    let opened = archive::Package::open(kind, archive);
    let flawed = |flaw: archive::Flaw| {
        let refusal =
            Refusal::invalid(format!("The {} '{}': {flaw}.", kind.word(), archive::Flaw::shown(&archive.name)));
        refusal.at(flaw.param())
    };
    opened.map(|_| ()).map_err(flawed)
}
