"""Services that are several processes: how a gauge of all of them is one figure is said where it is made."""

import pkgutil
import sys
from importlib import import_module

import pytest

from gateway_shared.metrics import Gauge


def gauges_of(service: str) -> dict[str, Gauge]:
    package = import_module(service)
    for module in pkgutil.walk_packages(package.__path__, f"{service}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in (service, "gateway_shared")]
    return {gauge._name: gauge for module in modules for gauge in vars(module).values() if isinstance(gauge, Gauge)}


@pytest.mark.parametrize("service", ["gateway_edge", "gateway_router"])
def test_every_gauge_of_several_workers_says_how_they_are_one(service: str) -> None:
    gauges = gauges_of(service)
    assert len(gauges) >= 4
    # `all`, the default, would be one series for each process, those of the dead among them
    assert [name for name, gauge in gauges.items() if not gauge._multiprocess_mode.startswith("live")] == []
