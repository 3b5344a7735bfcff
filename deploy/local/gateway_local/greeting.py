"""What a person is told when the stack is ready: keys, and a call that works when pasted."""

from collections.abc import Mapping
from typing import Any

_MODELS = {
    "OPENAI_API_KEY": "gpt-4o-mini",
    "ANTHROPIC_API_KEY": "claude-haiku-4-5",
    "GOOGLE_API_KEY": "gemini-2.5-flash",
    "META_API_KEY": "Llama-4-Maverick-17B-128E-Instruct-FP8",
}


def greeting(run: Mapping[str, Any], environ: Mapping[str, str], *, psql: str, program: str) -> str:
    """`run` is what run.json says, `psql` reads the ledger, `program` runs a service's command."""
    real = [name for name in _MODELS if environ.get(name) or environ.get(f"{name}_FILE")]
    model = _MODELS[real[0] if real else "OPENAI_API_KEY"]
    source = "the real providers" if real else "the simulator: set OPENAI_API_KEY or another and restart for real ones"
    return f"""
  edge           {run["edge_url"]}   (answers come from {source})
  LangChain key  {run["langchain_key"]}   base_url {run["edge_url"]}/v1/langchain
  standard key   {run["standard_key"]}   base_url {run["edge_url"]}/v1
  admin key      {run["admin_key"]}

  curl -sN {run["edge_url"]}/v1/chat/completions \\
    -H 'Authorization: Bearer {run["standard_key"]}' -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello"}}]}}'

  {psql} '{run["postgres_dsn"]}' -c 'TABLE billing.usage'

  {program} billing reconcile    (or edge, router; --help lists the commands of each)
"""
