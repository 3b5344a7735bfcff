"""The load rig: the gateway and its peers in one interleaved run, CPU first (docs/performance.md)."""
