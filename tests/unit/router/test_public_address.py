"""The addresses of IANA's special-purpose registries, and what clouds keep for themselves."""

import ipaddress

import pytest

from gateway_router.public_address import is_public

PUBLIC = ["1.1.1.1", "8.8.8.8", "13.107.42.14", "104.18.6.192", "2606:4700::6812:6c0", "2a00:1450:4001:82a::200a"]
NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"],
    "link-local": ["169.254.0.1", "fe80::1", "febf::1"],
    "site-local": ["fec0::1"],
    "metadata of clouds": ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"],
    "metadata of clouds over IPv6": ["fd00:ec2::254", "fd20:ce::254"],
    "shared by a carrier": ["100.64.0.1", "100.127.255.254"],
    "IETF protocols": ["192.0.0.8", "192.0.0.170", "2001::1", "2001:1::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "AS112 and AMT": ["192.31.196.1", "192.175.48.1", "192.52.193.1", "2620:4f:8000::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "4000::1", "5f00::1", "8000::1"],
    "IPv4 in IPv6, mapped": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"],
    "IPv4 in IPv6, compatible": ["::127.0.0.1", "::10.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b:1::1"],
    "6to4 and its relays": ["2002:7f00:1::", "192.88.99.1"],
    "discard": ["100::1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_one(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [address for addresses in NOT_PUBLIC.values() for address in addresses])
def test_what_is_kept_for_other_uses_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
