//! Which addresses a granted name may lead to.
//!
//! Whoever answers for a name could have it lead to services of this machine or of its network card's neighbours, which trust
//! whoever can reach them. Other private addresses are where most servers of metrics are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lookups::Found;
use crate::grants::Origin;

/// Where clouds tell a machine its secrets, besides 169.254.169.254: of Alibaba, Azure and Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The same of Google. All of Amazon's begin with fd00:ec2: the metadata (`::254`), the credentials of pods (`::23`), and others.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

/// What an address is to which no name leads by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Loopback,
    Unspecified,
    /// One of an interface.
    Own,
    LinkLocal,
    Metadata,
    Group,
    /// One that a translator of this network turns into one of IPv4, nobody else knows which.
    Translated,
}

impl std::fmt::Display for Special {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Unspecified | Self::Own => "an address of this machine",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the metadata service of a cloud",
            Self::Group => "an address of many machines",
            Self::Translated => "translated to an address of IPv4 that cannot be looked at",
        })
    }
}

impl Special {
    /// What an address is; none: one like others.
    pub(super) fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        if address.is_loopback() {
            Some(Self::Loopback)
        } else if address.octets()[0] == 0 {
            Some(Self::Unspecified)
        } else if address.is_link_local() {
            Some(Self::LinkLocal)
        } else if METADATA_V4.contains(&address) {
            Some(Self::Metadata)
        } else if address.is_multicast() || address.is_broadcast() {
            Some(Self::Group)
        } else {
            None
        }
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        let segments = address.segments();
        if address.is_loopback() {
            Some(Self::Loopback)
        } else if address.is_unspecified() {
            Some(Self::Unspecified)
        } else if address.is_unicast_link_local() {
            Some(Self::LinkLocal)
        } else if segments.starts_with(&[0xfd00, 0xec2]) || address == METADATA_V6 {
            Some(Self::Metadata)
        } else if address.is_multicast() {
            Some(Self::Group)
        } else if segments.starts_with(&[0x64, 0xff9b, 1]) {
            // RFC 8215: where in it the address of IPv4 stands is up to who runs the translator.
            Some(Self::Translated)
        } else {
            embedded(address).and_then(Self::of_v4)
        }
    }
}

/// The IPv4 address to which packets for this one go: mapped (RFC 4291), translated (RFC 2765, RFC 6052), through 6to4 (RFC 3056)
/// or ISATAP (RFC 5214).
pub(super) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, ..] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(of(high, low)),
        _ if a == 0x2002 => Some(of(b, c)),
        _ => None,
    }
}

/// Why a request to this origin may not go to an address that was found for its host; none: it may. An address is granted by
/// itself, `localhost` leads to this machine wherever one asks (RFC 6761).
pub(super) fn forbidden(origin: &Origin, found: &Found, granted: &[Origin]) -> Option<Special> {
    let address = found.address.ip();
    let special = Special::of(address).or(found.is_own.then_some(Special::Own))?;
    let is_named = special == Special::Loopback && origin.is_localhost();
    (!is_named && !granted.contains(&origin.at(address))).then_some(special)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1", Some(Special::Loopback))]
    #[case("127.8.9.10", Some(Special::Loopback))]
    #[case("0.0.0.0", Some(Special::Unspecified))]
    #[case("0.1.2.3", Some(Special::Unspecified))]
    #[case("169.254.169.254", Some(Special::LinkLocal))]
    #[case("100.100.100.200", Some(Special::Metadata))]
    #[case("168.63.129.16", Some(Special::Metadata))]
    #[case("224.0.0.1", Some(Special::Group))]
    #[case("255.255.255.255", Some(Special::Group))]
    #[case("10.0.0.1", None)]
    #[case("172.16.0.1", None)]
    #[case("192.168.1.1", None)]
    #[case("100.64.0.1", None)]
    #[case("203.0.113.7", None)]
    #[case("::1", Some(Special::Loopback))]
    #[case("::", Some(Special::Unspecified))]
    #[case("fe80::1", Some(Special::LinkLocal))]
    #[case("febf::1", Some(Special::LinkLocal))]
    #[case("fd00:ec2::254", Some(Special::Metadata))]
    #[case("fd00:ec2::23", Some(Special::Metadata))]
    #[case("fd00:ec2:1::1", Some(Special::Metadata))]
    #[case("fd00:ec3::254", None)]
    #[case("fd20:ce::254", Some(Special::Metadata))]
    #[case("ff02::1", Some(Special::Group))]
    #[case("::ffff:127.0.0.1", Some(Special::Loopback))]
    #[case("::127.0.0.1", Some(Special::Loopback))]
    #[case("::ffff:169.254.169.254", Some(Special::LinkLocal))]
    #[case("64:ff9b::7f00:1", Some(Special::Loopback))]
    #[case("64:ff9b::a9fe:a9fe", Some(Special::LinkLocal))]
    #[case("2002:7f00:1::", Some(Special::Loopback))]
    #[case("2002:a9fe:a9fe::1", Some(Special::LinkLocal))]
    #[case("64:ff9b:1::7f00:1", Some(Special::Translated))]
    #[case("64:ff9b:1:7f00:0:100::", Some(Special::Translated))]
    #[case("64:ff9b:2::7f00:1", None)]
    #[case("::ffff:0:127.0.0.1", Some(Special::Loopback))]
    #[case("::ffff:0:10.0.0.1", None)]
    #[case("2001:db8::5efe:127.0.0.1", Some(Special::Loopback))]
    #[case("2001:db8::200:5efe:169.254.169.254", Some(Special::LinkLocal))]
    #[case("2001:db8::5efe:10.0.0.1", None)]
    #[case("::ffff:10.0.0.1", None)]
    #[case("fd12:3456::1", None)]
    #[case("2001:db8::1", None)]
    fn addresses(#[case] address: &str, #[case] expected: Option<Special>) {
        assert_eq!(Special::of(address.parse().unwrap()), expected);
    }

    #[rstest]
    #[case("http://metrics.example:80", "10.1.2.3", &[], true)]
    #[case("http://metrics.example:80", "127.0.0.1", &[], false)]
    #[case("http://metrics.example:80", "127.0.0.1", &["http://127.0.0.1:80"], true)]
    #[case("http://metrics.example:80", "127.0.0.1", &["http://127.0.0.1:81"], false)]
    #[case("https://metrics.example:80", "127.0.0.1", &["http://127.0.0.1:80"], false)]
    #[case("http://metrics.example:80", "127.0.0.2", &["http://127.0.0.1:80"], false)]
    #[case("http://metrics.example:80", "fe80::1", &[], false)]
    #[case("http://metrics.example:80", "fd00:ec2::254", &["http://[fd00:0ec2::254]:80"], true)]
    #[case("http://localhost:80", "127.0.0.1", &[], true)]
    #[case("http://a.localhost:80", "::1", &[], true)]
    #[case("http://localhost:80", "169.254.169.254", &[], false)]
    #[case("http://notlocalhost:80", "127.0.0.1", &[], false)]
    fn where_a_granted_name_may_lead(
        #[case] origin: &str,
        #[case] address: &str,
        #[case] besides: &[&str],
        #[case] expected: bool,
    ) {
        let origin: Origin = origin.parse().unwrap();
        let granted: Vec<Origin> = besides.iter().map(|text| text.parse().unwrap()).chain([origin.clone()]).collect();
        let found = Found { address: SocketAddr::new(address.parse().unwrap(), 80), is_own: false };
        assert_eq!(forbidden(&origin, &found, &granted).is_none(), expected);
    }

    #[test]
    fn a_name_leads_to_an_address_of_this_machine_where_that_is_granted() {
        let name: Origin = "http://metrics.example:80".parse().unwrap();
        let besides: Origin = "http://10.0.0.5:80".parse().unwrap();
        let found = |is_own| Found { address: "10.0.0.5:80".parse().unwrap(), is_own };
        assert_eq!(forbidden(&name, &found(true), std::slice::from_ref(&name)), Some(Special::Own));
        assert_eq!(forbidden(&name, &found(false), std::slice::from_ref(&name)), None);
        assert_eq!(forbidden(&name, &found(true), &[name.clone(), besides]), None);
    }
}
