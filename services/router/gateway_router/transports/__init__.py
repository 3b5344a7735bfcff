"""How a provider is reached: over HTTP by our own client, or through LiteLLM's for the long tail."""
