//! `[mcp]`: which addresses the service's own client of MCP servers reaches.

use super::complaint::{Complaint, Text};
use super::{Mcp, raw};
use std::net::{IpAddr, Ipv6Addr};
use toml::Spanned;

pub fn resolve(raw: &raw::Mcp, text: &Text<'_>) -> Result<Mcp, Complaint> {
    let mut mcp = Mcp { allow_private: raw.allow_private.unwrap_or(false), ..Mcp::default() };
    for host in raw.allowed_hosts.iter().flatten() {
        mcp.allowed_hosts.insert(place(host, text)?);
    }
    Ok(mcp)
}

/// A host, or a host and the port that alone is meant; in lower case.
fn place(raw: &Spanned<String>, text: &Text<'_>) -> Result<String, Complaint> {
    let whole = raw.get_ref();
    let parts = if whole.parse::<Ipv6Addr>().is_ok() { None } else { whole.rsplit_once(':') };
    let Some((name, port)) = parts else { return host(raw, text) };
    let is_address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_host = is_address.map_or(is_name(name), |address| address.parse::<Ipv6Addr>().is_ok());
    match port.parse::<u16>() {
        Ok(port @ 1..) if is_host => Ok(format!("{}:{port}", name.trim_end_matches('.').to_ascii_lowercase())),
        _ => {
            let message = "a host is a name or an address, with a port or without, such as \"mcp.internal:8000\" or \
                           \"[fd00::1]:8000\"";
            Err(text.complain(raw.span(), message))
        }
    }
}

/// Whether it is a host of this machine with all its ports.
pub fn opens_this_machine(allowed: &str) -> bool {
    let name = allowed.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.trim_end_matches('.').is_empty() && name.chars().all(fits)
}

/// In lower case.
pub fn host(raw: &Spanned<String>, text: &Text<'_>) -> Result<String, Complaint> {
    let name = raw.get_ref().trim_end_matches('.').to_ascii_lowercase();
    if !(is_name(&name) || name.parse::<Ipv6Addr>().is_ok()) {
        let message = "a host is a name or an address, without scheme, port and path, such as \"mcp.internal\"";
        return Err(text.complain(raw.span(), message));
    }
    Ok(name)
}
