//! Which addresses are this machine's own, as far as its network namespace goes.
//!
//! Without a list of interfaces, for which the confined agent has no system call.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, getsockname, socket_with};

use super::address::embedded;

/// The kernel's routes of IPv4, those to itself among them (`fib_trie_seq_show` in `net/ipv4/fib_trie.c`).
const ROUTES: &str = "/proc/self/net/fib_trie";
/// Most bytes of it that are read: a router can have millions of routes.
const LONGEST: u64 = 1 << 20;

/// The addresses of this machine at one moment.
pub(super) struct Own {
    /// Networks of IPv4 that lead to this machine: an address and the bits in which others agree with it.
    networks: Vec<(Ipv4Addr, u32)>,
}

impl Own {
    pub(super) fn read() -> Self {
        let mut text = String::new();
        // Without it second addresses in a network of IPv4 are not known.
        let _ = File::open(ROUTES).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        Self { networks: local(&text) }
    }

    /// Whether packets to this address stay on this machine.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.has_v4(address),
            IpAddr::V6(v6) => is_its_own_source(address) || embedded(v6).is_some_and(|inner| self.has_v4(inner)),
        }
    }

    fn has_v4(&self, address: Ipv4Addr) -> bool {
        self.lists(address) || is_its_own_source(IpAddr::V4(address))
    }

    fn lists(&self, address: Ipv4Addr) -> bool {
        let is_in = |(network, mask): &(Ipv4Addr, u32)| (address.to_bits() ^ network.to_bits()) & mask == 0;
        self.networks.iter().any(is_in)
    }
}

/// Whether the kernel would send from an address what is sent to it. No packet is sent.
fn is_its_own_source(address: IpAddr) -> bool {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let source = || {
        let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
        connect(&socket, &SocketAddr::new(address, 9)).ok()?;
        SocketAddr::try_from(getsockname(&socket).ok()?).ok()
    };
    source().is_some_and(|source| source.ip() == address)
}

/// The networks that lead to this machine itself, in the kernel's routes of IPv4.
fn local(routes: &str) -> Vec<(Ipv4Addr, u32)> {
    let mut networks = Vec::new();
    let mut address = None;
    for line in routes.lines().map(str::trim_start) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.parse::<Ipv4Addr>().ok();
        } else if let (Some(address), Some(route)) = (address, line.strip_prefix('/')) {
            let mut parts = route.split_ascii_whitespace();
            let length = parts.next().and_then(|length| length.parse::<u32>().ok());
            if let (Some(length @ 0..=32), Some("LOCAL")) = (length, parts.nth(1)) {
                networks.push((address, u32::MAX.checked_shl(32 - length).unwrap_or(0)));
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a kernel 6.1: an interface with 10.0.0.5/24 and 10.0.0.6/24, and `ip route add local 10.9.0.0/16 dev lo`.
    const TEXT: &str = "Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/29 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.5
           /32 host LOCAL
        |-- 10.0.0.6
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
     |-- 10.9.0.0
        /16 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
";

    #[test]
    fn routes_to_the_machine_itself_are_its_addresses() {
        let own = Own { networks: local(TEXT) };
        for (address, expected) in [
            ("10.0.0.5", true),
            ("10.0.0.6", true),
            ("10.0.0.7", false),
            ("10.0.0.255", false),
            ("10.9.200.1", true),
            ("10.10.0.1", false),
            ("203.0.113.1", false),
        ] {
            assert_eq!(own.lists(address.parse().unwrap()), expected, "{address}");
        }
        for within in ["::ffff:10.0.0.6", "64:ff9b::10.0.0.6"] {
            assert!(own.has(within.parse().unwrap()), "{within}");
        }
    }

    #[test]
    fn this_machine_knows_its_own_addresses_by_both_ways() {
        let (listed, asked) = (Own::read(), Own { networks: Vec::new() });
        assert!(listed.networks.contains(&(Ipv4Addr::LOCALHOST, u32::MAX)), "{:?}", listed.networks);
        for own in ["127.0.0.1", "::1"] {
            assert!(asked.has(own.parse().unwrap()), "{own}");
        }
        for other in ["203.0.113.1", "2001:db8::1"] {
            assert!(!listed.has(other.parse().unwrap()), "{other}");
        }
    }
}
