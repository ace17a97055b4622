//! Which addresses a sandbox may reach: the public internet and nothing else. A pure table; no rule of an environment
//! makes it wider, save the operator's own exceptions ([`crate::Rules::allowed_addresses`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address that is not of the public internet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    Unspecified,
    Loopback,
    Private,
    /// 100.64.0.0/10: between a provider and its customers.
    Shared,
    LinkLocal,
    /// Where clouds answer with credentials of the machine.
    Metadata,
    Multicast,
    Broadcast,
    Documentation,
    Benchmark,
    /// Set aside by the protocol, or not given out.
    Unassigned,
}

impl Reserved {
    /// A word for people and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "carrier",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Benchmark => "benchmark",
            Self::Unassigned => "reserved",
        }
    }
}

type Row4 = ([u8; 4], u32, Reserved);
type Row6 = ([u16; 8], u32, Reserved);

/// The first row that holds an address names it: particular rows stand before the ranges around them.
const V4: &[Row4] = &[
    ([169, 254, 169, 254], 32, Reserved::Metadata),
    ([169, 254, 170, 2], 32, Reserved::Metadata),
    ([169, 254, 170, 23], 32, Reserved::Metadata),
    ([100, 100, 100, 200], 32, Reserved::Metadata),
    ([192, 0, 0, 192], 32, Reserved::Metadata),
    ([168, 63, 129, 16], 32, Reserved::Metadata),
    ([0, 0, 0, 0], 8, Reserved::Unspecified),
    ([10, 0, 0, 0], 8, Reserved::Private),
    ([100, 64, 0, 0], 10, Reserved::Shared),
    ([127, 0, 0, 0], 8, Reserved::Loopback),
    ([169, 254, 0, 0], 16, Reserved::LinkLocal),
    ([172, 16, 0, 0], 12, Reserved::Private),
    ([192, 0, 0, 0], 24, Reserved::Unassigned),
    ([192, 0, 2, 0], 24, Reserved::Documentation),
    ([192, 31, 196, 0], 24, Reserved::Unassigned),
    ([192, 52, 193, 0], 24, Reserved::Unassigned),
    ([192, 88, 99, 0], 24, Reserved::Unassigned),
    ([192, 168, 0, 0], 16, Reserved::Private),
    ([192, 175, 48, 0], 24, Reserved::Unassigned),
    ([198, 18, 0, 0], 15, Reserved::Benchmark),
    ([198, 51, 100, 0], 24, Reserved::Documentation),
    ([203, 0, 113, 0], 24, Reserved::Documentation),
    ([224, 0, 0, 0], 4, Reserved::Multicast),
    ([255, 255, 255, 255], 32, Reserved::Broadcast),
    ([240, 0, 0, 0], 4, Reserved::Unassigned),
];

/// Only 2000::/3 is given out for the internet; what lies outside it needs no row to be refused, these only name it.
const V6: &[Row6] = &[
    ([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254], 128, Reserved::Metadata),
    ([0xfd20, 0x0ce, 0, 0, 0, 0, 0, 0x254], 128, Reserved::Metadata),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Reserved::Unspecified),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Reserved::Loopback),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Reserved::Private),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Reserved::LinkLocal),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Reserved::Private),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Reserved::Multicast),
    // Teredo: what it leads to is hidden in it under a mask.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Reserved::Unassigned),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Reserved::Benchmark),
    ([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32, Reserved::Documentation),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Reserved::Unassigned),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Reserved::Documentation),
];

/// Why an address is not of the public internet, or `None` where it is. An IPv6 address that carries an IPv4 address
/// (mapped, compatible, NAT64, 6to4) is judged by both.
#[must_use]
pub fn reserved(address: IpAddr) -> Option<Reserved> {
    match address {
        IpAddr::V4(address) => reserved_v4(address),
        IpAddr::V6(address) => reserved_v6(address),
    }
}

/// The address as a socket would see it: an IPv4 address in IPv6's clothes is that IPv4 address.
#[must_use]
pub fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<Reserved> {
    let bits = u32::from(address);
    V4.iter()
        .find(|(network, length, _)| bits >> (32 - length) == u32::from(Ipv4Addr::from(*network)) >> (32 - length))
        .map(|row| row.2)
}

fn reserved_v6(address: Ipv6Addr) -> Option<Reserved> {
    let bits = u128::from(address);
    let row = V6
        .iter()
        .find(|(network, length, _)| bits >> (128 - length) == u128::from(Ipv6Addr::from(*network)) >> (128 - length));
    if let Some(row) = row {
        return Some(row.2);
    }
    match embedded(address) {
        Some(inner) => reserved_v4(inner),
        None if bits >> 125 == 1 => None,
        None => Some(Reserved::Unassigned),
    }
}

/// The IPv4 address that traffic to this IPv6 address ends at.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        // IPv4-mapped, IPv4-compatible, and the translated form between the two.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(pair(high, low)),
        // NAT64 as everybody knows it. The local-use prefix (64:ff9b:1::/48) is a network's own affair: refused.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(pair(high, low)),
        // 6to4.
        [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Reserved>) {
        let address: IpAddr = text.parse().unwrap();
        assert_eq!(reserved(address), expected, "{text}");
    }

    #[test]
    fn public_addresses_are_free() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use Reserved::*;
        for (text, expected) in [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("10.0.0.1", Private),
            ("10.255.255.255", Private),
            ("100.64.0.0", Shared),
            ("100.127.255.255", Shared),
            ("100.100.100.200", Metadata),
            ("127.0.0.1", Loopback),
            ("127.255.255.255", Loopback),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("168.63.129.16", Metadata),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("192.0.0.1", Unassigned),
            ("192.0.0.192", Metadata),
            ("192.0.2.255", Documentation),
            ("192.88.99.1", Unassigned),
            ("192.168.0.0", Private),
            ("192.168.255.255", Private),
            ("198.18.0.0", Benchmark),
            ("198.19.255.255", Benchmark),
            ("198.51.100.1", Documentation),
            ("203.0.113.7", Documentation),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Unassigned),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::2", Unspecified),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", Private),
            ("ff02::1", Multicast),
            ("2001::1", Unassigned),
            ("2001:2::1", Benchmark),
            ("2001:1ff::1", Unassigned),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("4000::1", Unassigned),
            ("100::1", Unassigned),
            ("5f00::1", Unassigned),
        ] {
            check(text, Some(expected));
        }
    }

    #[test]
    fn an_address_inside_an_address_is_judged() {
        use Reserved::*;
        for (text, expected) in [
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", Metadata),
            ("::10.0.0.1", Private),
            ("::ffff:0:10.0.0.1", Private),
            ("64:ff9b::10.0.0.1", Private),
            ("64:ff9b::169.254.169.254", Metadata),
            ("64:ff9b:1::808:808", Unassigned),
            ("2002:7f00:1::1", Loopback),
            ("2002:a9fe:a9fe::", Metadata),
            ("2002:c0a8:1::", Private),
        ] {
            check(text, Some(expected));
        }
    }

    /// The rows are what they say at both of their ends, and no row is written with bits beyond its length.
    #[test]
    fn rows_hold_their_first_and_last_address() {
        for (network, length, _) in V4 {
            let first = u32::from(Ipv4Addr::from(*network));
            let host = if *length == 32 { 0 } else { u32::MAX >> length };
            assert_eq!(first & host, 0, "{network:?}");
            assert!(
                reserved_v4(Ipv4Addr::from(first)).is_some() && reserved_v4(Ipv4Addr::from(first | host)).is_some()
            );
        }
        for (network, length, _) in V6 {
            let first = u128::from(Ipv6Addr::from(*network));
            let host = if *length == 128 { 0 } else { u128::MAX >> length };
            assert_eq!(first & host, 0, "{network:?}");
            assert!(
                reserved_v6(Ipv6Addr::from(first)).is_some() && reserved_v6(Ipv6Addr::from(first | host)).is_some()
            );
        }
    }

    #[test]
    fn a_mapped_address_is_the_address_that_it_maps() {
        assert_eq!(plain("::ffff:1.2.3.4".parse().unwrap()), "1.2.3.4".parse::<IpAddr>().unwrap());
        assert_eq!(plain("2606::1".parse().unwrap()), "2606::1".parse::<IpAddr>().unwrap());
    }
}
