//! What one environment may reach. Pure: the proxy asks, this answers; nothing is resolved here.

use crate::address::{self, Reserved};
use crate::host::{Host, Malformed, Target};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// How many domains a list may hold.
pub const DOMAINS: usize = 100;

/// The environment's `network.access`. A list holds exact hosts: no wildcard, and no subdomain of a listed host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    Disabled,
    Enabled,
    /// `restricted` with `allowed_domains`.
    Only(BTreeSet<Host>),
    /// `restricted` with `blocked_domains`.
    Except(BTreeSet<Host>),
}

/// The rules of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub access: Access,
    /// Ports that may be reached at all: 80, 443 and 8443 unless changed.
    pub ports: BTreeSet<u16>,
    /// Ports on which secrets are put in: 443 and 8443 unless changed.
    pub secret_ports: BTreeSet<u16>,
    /// The operator's exceptions to the table of reserved addresses: each one address with its port. They open no
    /// host that `access` does not open.
    pub allowed_addresses: BTreeSet<SocketAddr>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            access: Access::Disabled,
            ports: [80, 443, 8443].into(),
            secret_ports: [443, 8443].into(),
            allowed_addresses: BTreeSet::new(),
        }
    }
}

/// Why a list of domains cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    #[error("a list of domains has between 1 and {DOMAINS} entries, not {0}")]
    Length(usize),
    #[error("entry {index}: {why}")]
    Entry { index: usize, why: Malformed },
}

/// Reads `allowed_domains` or `blocked_domains`.
pub fn domains<T: AsRef<str>>(list: &[T]) -> Result<BTreeSet<Host>, BadList> {
    if !(1..=DOMAINS).contains(&list.len()) {
        return Err(BadList::Length(list.len()));
    }
    let read = |(index, text): (usize, &T)| Host::parse(text.as_ref()).map_err(|why| BadList::Entry { index, why });
    list.iter().enumerate().map(read).collect()
}

/// Why the rules refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this environment has no network access")]
    Disabled,
    #[error("the host {0} is not among the allowed domains of this environment")]
    NotAllowed(Host),
    #[error("the host {0} is among the blocked domains of this environment")]
    Blocked(Host),
    #[error("port {0} cannot be reached from this environment")]
    Port(u16),
    #[error("the host {host} leads to a {} address", .reserved.word())]
    Address { host: Host, reserved: Reserved },
}

impl Rules {
    /// Whether a client may ask for this target at all. Its addresses are judged by [`Rules::reach`].
    pub fn permit(&self, target: &Target) -> Result<(), Denied> {
        let host = || target.host.clone();
        match &self.access {
            Access::Disabled => return Err(Denied::Disabled),
            Access::Only(list) if !list.contains(&target.host) => return Err(Denied::NotAllowed(host())),
            Access::Except(list) if list.contains(&target.host) => return Err(Denied::Blocked(host())),
            Access::Enabled | Access::Only(_) | Access::Except(_) => {}
        }
        if !self.ports.contains(&target.port) {
            return Err(Denied::Port(target.port));
        }
        Ok(())
    }

    /// Whether this address of the target may be connected to.
    pub fn reach(&self, target: &Target, address: IpAddr) -> Result<SocketAddr, Denied> {
        let address = address::plain(address);
        let socket = SocketAddr::new(address, target.port);
        match address::reserved(address) {
            Some(reserved) if !self.allowed_addresses.contains(&socket) => {
                Err(Denied::Address { host: target.host.clone(), reserved })
            }
            // Who blocks an address by its number means it under every name.
            _ if matches!(&self.access, Access::Except(list) if list.contains(&Host::Address(address))) => {
                Err(Denied::Blocked(Host::Address(address)))
            }
            _ => Ok(socket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(list: &[&str]) -> Rules {
        Rules { access: Access::Only(domains(list).unwrap()), ..Rules::default() }
    }

    #[track_caller]
    fn permitted(rules: &Rules, target: &str) -> bool {
        rules.permit(&Target::parse(target, Some(443)).unwrap()).is_ok()
    }

    #[test]
    fn nothing_is_open_by_default() {
        let rules = Rules::default();
        assert_eq!(rules.permit(&Target::parse("example.com:443", None).unwrap()), Err(Denied::Disabled));
    }

    #[test]
    fn enabled_opens_the_webs_ports() {
        let rules = Rules { access: Access::Enabled, ..Rules::default() };
        for (target, expected) in
            [("a.com", true), ("a.com:80", true), ("a.com:8443", true), ("a.com:22", false), ("a.com:25", false)]
        {
            assert_eq!(permitted(&rules, target), expected, "{target}");
        }
    }

    #[test]
    fn a_list_holds_exact_hosts_in_any_writing() {
        let rules = only(&["Example.com.", "bücher.example", "93.184.216.34"]);
        for (target, expected) in [
            ("example.com", true),
            ("EXAMPLE.COM.", true),
            ("xn--bcher-kva.example", true),
            ("93.184.216.34", true),
            ("0x5db8d822", true),
            ("[::ffff:93.184.216.34]", true),
            ("www.example.com", false),
            ("com", false),
            ("example.com.evil.test", false),
            ("notexample.com", false),
            ("93.184.216.35", false),
            ("example.com:22", false),
        ] {
            assert_eq!(permitted(&rules, target), expected, "{target}");
        }
    }

    #[test]
    fn a_blocked_address_is_blocked_under_every_name() {
        let rules = Rules { access: Access::Except(domains(&["bad.test", "1.2.3.4"]).unwrap()), ..Rules::default() };
        assert!(!permitted(&rules, "BAD.test.") && permitted(&rules, "good.test"));
        let target = Target::parse("good.test", Some(443)).unwrap();
        assert!(rules.reach(&target, "::ffff:1.2.3.4".parse().unwrap()).is_err());
        assert!(rules.reach(&target, "1.2.3.5".parse().unwrap()).is_ok());
    }

    #[test]
    fn lists_have_bounds() {
        assert_eq!(domains::<&str>(&[]), Err(BadList::Length(0)));
        assert_eq!(domains(&vec!["a.com"; 101]), Err(BadList::Length(101)));
        assert_eq!(domains(&vec!["a.com"; 100]).unwrap().len(), 1);
        assert_eq!(domains(&["a.com", "*.b.com"]), Err(BadList::Entry { index: 1, why: Malformed::Host }));
        assert!(domains(&["https://a.com"]).is_err() && domains(&["a.com:443"]).is_err());
    }

    #[test]
    fn reserved_addresses_are_refused_whatever_the_list_says() {
        let mut rules = only(&["127.0.0.1", "a.com"]);
        let target = Target::parse("a.com:443", None).unwrap();
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(matches!(rules.reach(&target, loopback), Err(Denied::Address { reserved: Reserved::Loopback, .. })));
        rules.allowed_addresses.insert("127.0.0.1:443".parse().unwrap());
        assert!(rules.reach(&target, loopback).is_ok());
        assert!(rules.reach(&target, "::ffff:127.0.0.1".parse().unwrap()).is_ok());
        assert!(rules.reach(&target, "127.0.0.2".parse().unwrap()).is_err());
        let other = Target::parse("a.com:80", None).unwrap();
        assert!(rules.reach(&other, loopback).is_err());
    }
}
