//! Skills and plugins: archives that a request brings, and skills that it names.

use super::file::encoded;
use crate::agents::request::MAX_ID;
use crate::agents::words::{ArchiveCoding, ArchiveType, PluginKind, SkillKind};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};

/// Skills of one environment, and plugins.
const MAX_CAPABILITIES: usize = 20;
/// The largest archive, in bytes.
const MAX_ARCHIVE: usize = 10 << 20;
/// In characters.
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1024;

/// A skill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SkillParam {
    Inline(ArchiveParam),
    /// One that is kept elsewhere.
    Reference {
        skill_id: String,
        version: Option<String>,
    },
}

/// A ZIP archive with what it says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveParam {
    /// Fit for the name of a folder.
    pub name: String,
    pub description: String,
    /// Standard base64 with its padding.
    pub zip: String,
}

pub fn skills(node: Node) -> Result<Vec<SkillParam>, Fault> {
    let at = node.path().to_owned();
    let nodes = node.sized_array("an array of objects", 0, MAX_CAPABILITIES)?;
    let skills: Vec<SkillParam> = nodes.into_iter().map(skill).collect::<Result<_, _>>()?;
    let names = skills.iter().filter_map(|skill| match skill {
        SkillParam::Inline(archive) => Some(archive.name.as_str()),
        SkillParam::Reference { .. } => None,
    });
    distinct(&at, "skill", names)?;
    Ok(skills)
}

fn skill(node: Node) -> Result<SkillParam, Fault> {
    let mut object = node.object()?;
    let skill = match object.required("type")?.word()? {
        SkillKind::Inline => SkillParam::Inline(archive(&mut object)?),
        SkillKind::Reference => SkillParam::Reference {
            skill_id: object.required("skill_id")?.short_text(MAX_ID)?,
            version: object.present("version").map(|node| node.short_text(MAX_ID)).transpose()?,
        },
    };
    object.finish()?;
    Ok(skill)
}

pub fn plugins(node: Node) -> Result<Vec<ArchiveParam>, Fault> {
    let at = node.path().to_owned();
    let nodes = node.sized_array("an array of objects", 0, MAX_CAPABILITIES)?;
    let read = |node: Node| {
        let mut object = node.object()?;
        let PluginKind::Inline = object.required("type")?.word()?;
        let plugin = archive(&mut object)?;
        object.finish()?;
        Ok(plugin)
    };
    let plugins: Vec<ArchiveParam> = nodes.into_iter().map(read).collect::<Result<_, Fault>>()?;
    distinct(&at, "plugin", plugins.iter().map(|plugin| plugin.name.as_str()))?;
    Ok(plugins)
}

/// Two of one name would be unpacked into one folder.
fn distinct<'a>(at: &str, what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Fault::at(at, format!("duplicate {what} name: {}", clip(name))));
        }
    }
    Ok(())
}

fn archive(object: &mut Object) -> Result<ArchiveParam, Fault> {
    let name = name(object.required("name")?)?;
    let description = object.required("description")?.short_text(MAX_DESCRIPTION)?;
    let mut source = object.required("source")?.object()?;
    let ArchiveCoding::Base64 = source.required("type")?.word()?;
    let ArchiveType::Zip = source.required("media_type")?.word()?;
    let (zip, _) = encoded(source.required("data")?, MAX_ARCHIVE)?;
    source.finish()?;
    Ok(ArchiveParam { name, description, zip })
}

fn name(node: Node) -> Result<String, Fault> {
    let at = node.path().to_owned();
    let name = node.short_text(MAX_NAME)?;
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_good) {
        return Ok(name);
    }
    let text = format!(
        "Invalid '{at}'. Expected letters, digits, '.', '_' and '-', with a letter or a digit in front, but got '{}'.",
        clip(&name)
    );
    Err(Fault::at(&at, text))
}
