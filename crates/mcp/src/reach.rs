//! Which addresses may be dialled. An URL comes from a client of ours or from a server that redirects, and either may
//! want to see what only this machine sees: so a name is resolved once, every address is judged, and an address that
//! was judged is the one that is dialled.

use egress::{Lookups, Resolver, SystemResolver};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// What an operator allows beside the public internet.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Loopback and private networks. Metadata services and multicast stay refused.
    pub allow_private: bool,
    /// Hosts, by name or address, that may be anywhere but at a metadata service: `host`, whatever its port, or `host:port`
    /// (an IPv6 address in brackets then).
    pub allowed_hosts: BTreeSet<String>,
}

/// An address or an URL that is not dialled, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Reach {
    /// Judges all that can be said of an URL without resolving its name.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused(format!("`{}` is no scheme of an MCP server: http and https are", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused("an URL may not hold a user or a password".to_owned()));
        }
        let port = url.port_or_known_default();
        match url.host() {
            None => Err(Refused("the URL has no host".to_owned())),
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(address)) => self.judge(&address.to_string(), port, address.into()),
            Some(Host::Ipv6(address)) => self.judge(&address.to_string(), port, address.into()),
        }
    }

    /// The ports that are allowed somewhere without all others.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.allowed_hosts.iter().filter_map(|allowed| parted(allowed).1).collect()
    }

    fn judge(&self, host: &str, port: Option<u16>, address: IpAddr) -> Result<(), Refused> {
        use egress::address::Reserved;
        let Some(kind) = egress::address::reserved(address) else { return Ok(()) };
        // Credentials of the machine itself are nobody's tools, whatever name leads there.
        if kind != Reserved::Metadata && self.allows(host, port) {
            return Ok(());
        }
        let near = matches!(
            kind,
            Reserved::Loopback | Reserved::Private | Reserved::Shared | Reserved::LinkLocal | Reserved::Benchmark
        );
        if near && self.allow_private {
            return Ok(());
        }
        Err(Refused(format!("{host} is a {} address, which this server does not reach", kind.word())))
    }

    fn allows(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_end_matches('.');
        self.allowed_hosts
            .iter()
            .map(|allowed| parted(allowed))
            .any(|(allowed, only)| allowed.eq_ignore_ascii_case(host) && (only.is_none() || only == port))
    }
}

/// An allowed host, and the port that alone is meant.
fn parted(allowed: &str) -> (&str, Option<u16>) {
    if allowed.parse::<Ipv6Addr>().is_ok() {
        return (allowed, None);
    }
    match allowed.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host.trim_matches(['[', ']']), Some(port)),
        _ => (allowed, None),
    }
}

/// Resolves for the HTTP client; it dials what comes back from here and nothing else.
pub(crate) struct Names {
    reach: Arc<Reach>,
    /// The one that all who ask here will dial, where it matters: a resolver is told none.
    port: Option<u16>,
    lookups: Arc<SystemResolver>,
}

impl Names {
    pub(crate) fn new(reach: Arc<Reach>, port: Option<u16>, lookups: &Lookups) -> Self {
        Self { reach, port, lookups: Arc::new(lookups.of_one()) }
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, port, lookups) = (self.reach.clone(), self.port, self.lookups.clone());
        Box::pin(async move {
            let addresses = permitted(&reach, name.as_str(), port, &*lookups).await?;
            let sockets: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(Box::new(sockets.into_iter()) as Addrs)
        })
    }
}

async fn permitted(
    reach: &Reach,
    name: &str,
    port: Option<u16>,
    lookups: &dyn Resolver,
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found = if is_here(name) {
        vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
    } else {
        lookups.resolve(name).await?
    };
    let mut refused = None;
    let mut addresses = Vec::new();
    for address in found {
        let address = egress::address::plain(address);
        match reach.judge(name, port, address) {
            Ok(()) => addresses.push(address),
            Err(reason) => refused = Some(reason),
        }
    }
    match refused {
        Some(reason) if addresses.is_empty() => Err(reason.into()),
        _ if addresses.is_empty() => Err(Refused(format!("{name} has no address")).into()),
        _ => Ok(addresses),
    }
}

/// `localhost` is this machine whatever anybody's resolver says (RFC 6761).
fn is_here(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use types::BoxFuture;

    fn check(reach: &Reach, url: &str) -> bool {
        reach.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn urls_are_judged() {
        let reach = Reach::default();
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a00:1]/",
            "http://10.0.0.1/",
            "http://100.64.0.1/",
            "http://224.0.0.1/",
            "http://0.0.0.0/",
            "http://[fe80::1]/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://user@example.com/",
            "http://:secret@example.com/",
        ] {
            assert!(!check(&reach, url), "{url}");
        }
        for url in ["https://example.com/mcp", "http://1.1.1.1:8080/", "http://[2606:4700::1]/"] {
            assert!(check(&reach, url), "{url}");
        }
    }

    #[test]
    fn an_operator_widens_it() {
        let private = Reach { allow_private: true, ..Reach::default() };
        assert!(check(&private, "http://127.0.0.1/") && check(&private, "http://10.1.2.3/"));
        assert!(!check(&private, "http://169.254.169.254/") && !check(&private, "http://224.0.0.1/"));
        let hosts = Reach { allowed_hosts: ["127.0.0.1".to_owned()].into(), ..Reach::default() };
        assert!(check(&hosts, "http://127.0.0.1:1/") && !check(&hosts, "http://127.0.0.2/"));
    }

    #[test]
    fn a_port_may_be_allowed_without_all_others() {
        let allowed = ["127.0.0.1:80", "[::1]:8000", "fd00::1"].map(str::to_owned).into();
        let hosts = Reach { allowed_hosts: allowed, ..Reach::default() };
        for url in ["http://127.0.0.1/", "http://127.0.0.1:80/", "http://[::1]:8000/", "http://[fd00::1]:7/"] {
            assert!(check(&hosts, url), "{url}");
        }
        for url in ["https://127.0.0.1/", "http://127.0.0.1:8080/", "http://[::1]/", "http://[::1]:8001/"] {
            assert!(!check(&hosts, url), "{url}");
        }
        assert_eq!(hosts.ports(), [80, 8000].into());
    }

    #[tokio::test]
    async fn metadata_are_reached_under_no_name_and_whatever_is_allowed() {
        let allowed = ["169.254.169.254", "fd00:ec2::254", "metadata.internal", "::ffff:169.254.169.254"];
        let reach = Reach { allow_private: true, allowed_hosts: allowed.map(str::to_owned).into() };
        for url in ["http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/"] {
            assert!(!check(&reach, url), "{url}");
        }
        for table in [&["169.254.169.254"], &["fd00:ec2::254"]] {
            let error = permitted(&reach, "metadata.internal", None, &Table(table)).await.unwrap_err();
            assert!(error.to_string().contains("metadata"), "{error}");
        }
    }

    struct Table(&'static [&'static str]);

    impl Resolver for Table {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            let found = self.0.iter().map(|text| text.parse().unwrap()).collect();
            Box::pin(async move { Ok(found) })
        }
    }

    #[tokio::test]
    async fn a_name_leads_only_to_addresses_that_were_judged() {
        let reach = Reach::default();
        let table = Table(&["10.0.0.1", "93.184.216.34", "::ffff:127.0.0.1"]);
        let found = permitted(&reach, "example.com", None, &table).await.unwrap();
        assert_eq!(found, ["93.184.216.34".parse::<IpAddr>().unwrap()]);
        let error = permitted(&reach, "example.com", None, &Table(&["169.254.169.254"])).await.unwrap_err();
        assert!(error.to_string().contains("metadata"), "{error}");
        assert!(permitted(&reach, "example.com", None, &Table(&[])).await.is_err());
        // Whatever a resolver says of it.
        assert!(permitted(&reach, "LOCALHOST", None, &Table(&["93.184.216.34"])).await.is_err());
        let allowed = Reach { allowed_hosts: ["localhost".to_owned()].into(), ..Reach::default() };
        assert_eq!(permitted(&allowed, "localhost", None, &Table(&[])).await.unwrap().len(), 2);
        let port = Reach { allowed_hosts: ["localhost:80".to_owned()].into(), ..Reach::default() };
        assert_eq!(permitted(&port, "localhost", Some(80), &Table(&[])).await.unwrap().len(), 2);
        assert!(permitted(&port, "localhost", Some(81), &Table(&[])).await.is_err());
        assert!(permitted(&port, "localhost", None, &Table(&[])).await.is_err());
    }
}
