SELECT value, version FROM router.routing_setting WHERE name = 'fallbacks'
