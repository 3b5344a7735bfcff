"""Every target of `make bench`, by the name that `--peers` takes, in the order in which they are shown."""

from bench.peers.direct import direct
from bench.peers.ferro import ferro
from bench.peers.gateway import gateway
from bench.peers.litellm import litellm
from bench.peers.nginx import nginx_one_hop, nginx_two_hops
from bench.peers.portkey import portkey
from bench.peers.tensorzero import tensorzero
from bench.rig import Peer

PEERS: dict[str, Peer] = {
    "direct": direct,
    "gateway": gateway,
    "nginx1": nginx_one_hop,
    "nginx2": nginx_two_hops,
    "tensorzero": tensorzero,
    "ferro": ferro,
    "portkey": portkey,
    "litellm": litellm,
}
