//! Network policies: which are well formed, and which is no broader than another.

use egress::{Host, domains};
use std::collections::BTreeSet;
use types::{NetworkAccess, NetworkSettings, Refusal};

/// The hosts that a policy leaves open.
#[derive(PartialEq, Eq, Debug)]
enum Open {
    Nothing,
    Only(BTreeSet<Host>),
    Except(BTreeSet<Host>),
    Everything,
}

/// Lists are only for `restricted`, which has one of them.
pub(super) fn check(network: &NetworkSettings) -> Result<(), Refusal> {
    open(network).map(|_| ())
}

/// Whether `inner` opens nothing that `outer` does not. Errs as [`check`] does.
pub(super) fn is_within(inner: &NetworkSettings, outer: &NetworkSettings) -> Result<bool, Refusal> {
    Ok(match (open(inner)?, open(outer)?) {
        (Open::Nothing, _) | (_, Open::Everything) => true,
        (_, Open::Nothing) | (Open::Everything, _) => false,
        (Open::Only(inner), Open::Only(outer)) => inner.is_subset(&outer),
        (Open::Only(inner), Open::Except(outer)) => inner.is_disjoint(&outer),
        (Open::Except(inner), Open::Except(outer)) => inner.is_superset(&outer),
        (Open::Except(_), Open::Only(_)) => false,
    })
}

fn open(network: &NetworkSettings) -> Result<Open, Refusal> {
    let read = |list: &[String], param: &str| {
        domains(list).map_err(|error| Refusal::invalid(format!("In {param}, {error}.")).at(format!("network.{param}")))
    };
    let (allowed, blocked) = (&network.allowed_domains, &network.blocked_domains);
    let lists = !allowed.is_empty() || !blocked.is_empty();
    match network.access {
        NetworkAccess::Disabled | NetworkAccess::Enabled if lists => {
            let message = "allowed_domains and blocked_domains require access 'restricted'.";
            let param = if allowed.is_empty() { "network.blocked_domains" } else { "network.allowed_domains" };
            Err(Refusal::invalid(message).at(param))
        }
        NetworkAccess::Disabled => Ok(Open::Nothing),
        NetworkAccess::Enabled => Ok(Open::Everything),
        NetworkAccess::Restricted if !allowed.is_empty() && !blocked.is_empty() => {
            let message = "blocked_domains cannot be combined with allowed_domains.";
            Err(Refusal::invalid(message).at("network.blocked_domains"))
        }
        NetworkAccess::Restricted if !blocked.is_empty() => Ok(Open::Except(read(blocked, "blocked_domains")?)),
        NetworkAccess::Restricted => Ok(Open::Only(read(allowed, "allowed_domains")?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> NetworkSettings {
        let (access, lists) = text.split_once(' ').unwrap_or((text, ""));
        let access = match access {
            "disabled" => NetworkAccess::Disabled,
            "enabled" => NetworkAccess::Enabled,
            _ => NetworkAccess::Restricted,
        };
        let list = |mark| {
            lists.split(' ').filter_map(|word| word.strip_prefix(mark)).map(str::to_owned).collect::<Vec<String>>()
        };
        NetworkSettings { access, allowed_domains: list('+'), blocked_domains: list('-') }
    }

    #[test]
    fn nothing_is_broader_than_its_template() {
        for (inner, outer, expected) in [
            ("disabled", "disabled", true),
            ("disabled", "restricted +a.b", true),
            ("disabled", "enabled", true),
            ("restricted +a.b", "disabled", false),
            ("enabled", "disabled", false),
            ("enabled", "restricted +a.b", false),
            ("enabled", "restricted -a.b", false),
            ("enabled", "enabled", true),
            ("restricted -a.b", "enabled", true),
            ("restricted +a.b", "restricted +a.b +c.d", true),
            ("restricted +A.B.", "restricted +a.b", true),
            ("restricted +a.b +c.d", "restricted +a.b", false),
            ("restricted +x.a.b", "restricted +a.b", false),
            ("restricted -a.b -c.d", "restricted -a.b", true),
            ("restricted -c.d", "restricted -a.b", false),
            ("restricted +c.d", "restricted -a.b", true),
            ("restricted +a.b", "restricted -A.b", false),
            ("restricted -c.d", "restricted +a.b", false),
        ] {
            assert_eq!(is_within(&settings(inner), &settings(outer)), Ok(expected), "{inner} in {outer}");
        }
    }

    #[test]
    fn lists_stand_where_they_mean_something() {
        for (text, param) in [
            ("disabled +a.b", "network.allowed_domains"),
            ("enabled -a.b", "network.blocked_domains"),
            ("restricted +a.b -c.d", "network.blocked_domains"),
            ("restricted", "network.allowed_domains"),
            ("restricted +*.a.b", "network.allowed_domains"),
            ("restricted -a/b", "network.blocked_domains"),
        ] {
            let refusal = check(&settings(text)).expect_err(text);
            assert_eq!(refusal.param.as_deref(), Some(param), "{text}: {refusal}");
        }
        assert_eq!(check(&settings("restricted -a.b")), Ok(()));
    }
}
