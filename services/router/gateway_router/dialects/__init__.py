"""How each provider is spoken to: OpenAI's chat completions in, the provider's own format out, and back.

`dialect` is the interface, one module a wire; all of them are free of input and output.
"""
