"""What the application holds."""

from aiohttp import web

from gateway_simulator.request_log import RequestLog
from gateway_simulator.script import Script

LOG = web.AppKey("LOG", RequestLog)
SCRIPT = web.AppKey("SCRIPT", Script)
