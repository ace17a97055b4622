//! What an environment may reach once it is set up.

use crate::agents::words::NetworkAccess;
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};

/// Domains of one list.
const MAX_DOMAINS: usize = 100;
/// The longest name that DNS carries, in bytes.
const MAX_DOMAIN: usize = 253;

/// At most one list has entries, and only where the access is restricted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkParam {
    pub access: NetworkAccess,
    pub allowed_domains: Vec<String>,
    pub blocked_domains: Vec<String>,
}

/// Nothing is reached.
impl Default for NetworkParam {
    fn default() -> Self {
        Self { access: NetworkAccess::Disabled, allowed_domains: Vec::new(), blocked_domains: Vec::new() }
    }
}

impl NetworkParam {
    pub(super) fn read(node: Node) -> Result<Self, Fault> {
        let at = node.path().to_owned();
        let mut object = node.object()?;
        let access = object.required("access")?.word()?;
        let (allowed, blocked) = (object.path("allowed_domains"), object.path("blocked_domains"));
        let allowed_domains = domains(&mut object, "allowed_domains")?;
        let blocked_domains = domains(&mut object, "blocked_domains")?;
        object.finish()?;
        let is_restricted = access == NetworkAccess::Restricted;
        let fault = match (allowed_domains.is_empty(), blocked_domains.is_empty()) {
            (false, _) if !is_restricted => Some((&allowed, "allowed_domains needs access 'restricted'")),
            (_, false) if !is_restricted => Some((&blocked, "blocked_domains needs access 'restricted'")),
            (false, false) => Some((&blocked, "blocked_domains cannot be combined with allowed_domains")),
            (true, true) if is_restricted => {
                Some((&at, "access 'restricted' needs allowed_domains or blocked_domains"))
            }
            _ => None,
        };
        match fault {
            None => Ok(Self { access, allowed_domains, blocked_domains }),
            Some((path, text)) => Err(Fault::at(path, text)),
        }
    }
}

fn domains(object: &mut Object, key: &str) -> Result<Vec<String>, Fault> {
    let Some(node) = object.present(key) else { return Ok(Vec::new()) };
    node.sized_array("an array of strings", 0, MAX_DOMAINS)?.into_iter().map(domain).collect()
}

/// One exact host: no wildcard, port, scheme or path. Case says nothing.
fn domain(node: Node) -> Result<String, Fault> {
    let at = node.path().to_owned();
    let text = node.text()?;
    let name = text.to_lowercase();
    let is_label = |label: &str| {
        let is_good = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.chars().count()) && label.chars().all(is_good) && !label.starts_with('-')
    };
    if name.len() <= MAX_DOMAIN && name.split('.').all(is_label) {
        return Ok(name);
    }
    let text = format!("Invalid '{at}'. Expected an exact host such as 'api.example.com', but got '{}'.", clip(&text));
    Err(Fault::at(&at, text))
}
