"""What the application holds."""

from dataclasses import dataclass, field

from aiohttp import web

from gateway_simulator.holds import Holds
from gateway_simulator.request_log import RequestLog
from gateway_simulator.script import Script


@dataclass(frozen=True, slots=True)
class State:
    log: RequestLog
    script: Script = field(default_factory=Script)
    holds: Holds = field(default_factory=Holds)


STATE = web.AppKey("STATE", State)
