//! Which hosts of the web an agent may look at. Names are compared as names, never looked up: addresses that may not be
//! dialled are refused where it is dialled.

/// What an agent allows, and what this server blocks.
#[derive(Clone, Debug)]
pub struct Domains<'a> {
    /// None: all.
    pub allowed: Option<&'a [String]>,
    pub blocked: &'a [String],
}

impl Domains<'_> {
    /// Whether a page may be read or cited.
    pub fn admit(&self, url: &str) -> bool {
        let Some(host) = host(url) else { return false };
        let is_among = |domains: &[String]| domains.iter().any(|domain| covers(domain, &host));
        self.allowed.is_none_or(is_among) && !is_among(self.blocked)
    }
}

/// The host of an http or https address, in lower case and without a dot at its end.
pub fn host(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_lowercase();
    (!host.is_empty()).then_some(host)
}

/// A domain stands for itself and all that lies below it. Clients write it as a name, or as the address of a site.
fn covers(domain: &str, of: &str) -> bool {
    let domain = host(domain).unwrap_or_else(|| {
        let name = domain.split('/').next().unwrap_or_default();
        name.trim_start_matches("*.").trim_matches('.').to_lowercase()
    });
    !domain.is_empty() && (of == domain || of.strip_suffix(&domain).is_some_and(|above| above.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(allowed: Option<&[&str]>, blocked: &[&str], url: &str) -> bool {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (allowed, blocked) = (allowed.map(own), own(blocked));
        Domains { allowed: allowed.as_deref(), blocked: &blocked }.admit(url)
    }

    #[test]
    fn a_domain_stands_for_what_lies_below_it() {
        for (allowed, url, expected) in [
            ("a.example", "https://a.example/x", true),
            ("a.example", "https://WWW.A.example.:443/x?y", true),
            ("https://a.example/path", "http://b.a.example", true),
            ("*.a.example", "http://b.a.example", true),
            ("a.example", "https://nota.example/", false),
            ("a.example", "https://a.example.evil.example/", false),
            ("a.example", "https://a.example@evil.example/", false),
            ("a.example", "https://evil.example\\@a.example/", false),
            ("a.example", "ftp://a.example/", false),
            ("a.example", "a.example", false),
            ("", "https://a.example/", false),
            ("::1", "http://[::1]:80/", true),
        ] {
            assert_eq!(admitted(Some(&[allowed]), &[], url), expected, "{allowed} {url}");
        }
    }

    #[test]
    fn what_is_blocked_is_blocked_whatever_is_allowed() {
        assert!(admitted(None, &["b.example"], "https://a.example/"));
        assert!(!admitted(None, &["b.example"], "https://x.b.example/"));
        assert!(!admitted(Some(&["b.example"]), &["b.example"], "https://b.example/"));
    }
}
