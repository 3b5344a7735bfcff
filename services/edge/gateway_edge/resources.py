"""What the handlers share for the life of the app, by typed key."""

from aiohttp import web

from gateway_edge.body import BodyReader
from gateway_edge.drain import Drain
from gateway_edge.grant_cache import GrantCache
from gateway_edge.grant_channel import GrantChannel
from gateway_edge.key_limits import KeyLimits
from gateway_edge.settings import EdgeSettings
from gateway_edge.usage_store import UsageStore
from gateway_shared.hop_client import HopClient
from gateway_shared.operations import Operations

SETTINGS = web.AppKey("settings", EdgeSettings)
GRANTS = web.AppKey("grants", GrantCache)
GRANT_CHANNEL = web.AppKey("grant_channel", GrantChannel)
USAGE = web.AppKey("usage", UsageStore)
LIMITS = web.AppKey("limits", KeyLimits)
BODIES = web.AppKey("bodies", BodyReader)
ROUTER = web.AppKey("router", HopClient)
DRAIN = web.AppKey("drain", Drain)
OPERATIONS = web.AppKey("operations", Operations)
