"""A page of usage as `GET /v1/usage` answers it: OpenAI's shape, and what this gateway knows beside it. Pure.

Money is a decimal string of nano-USD: a month of a large tenant is beyond the whole numbers that every JSON reader
keeps exact (2^53).
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from gateway_edge.usage_query import UsageQuery
from gateway_shared.errors import BadRequest, JsonObject

MAX_RESULTS = 2_000
"""In one page, over all its buckets."""

Row = Mapping[str, Any]
"""Of `billing.tenant_usage`."""


def usage_page(query: UsageQuery, rows: Sequence[Row]) -> JsonObject:
    """`rows` are in the order of their buckets; more than MAX_RESULTS end the page before the bucket that they cut.

    Raises BadRequest when that is the first one.
    """
    buckets = query.buckets()
    if len(rows) > MAX_RESULTS:
        cut_s = rows[-1]["bucket_start_s"]
        rows = [row for row in rows if row["bucket_start_s"] != cut_s]
        buckets = [bucket for bucket in buckets if bucket.start_s < cut_s]
        if not rows:
            raise BadRequest(
                f"More than {MAX_RESULTS} results in one bucket: narrow bucket_width, filter, or group by less.",
                param="group_by",
            )
    results = {
        start_s: list(map(_result, of_one)) for start_s, of_one in groupby(rows, lambda row: row["bucket_start_s"])
    }
    page_end_s = buckets[-1].end_s
    has_more = page_end_s < query.end_s
    return {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": bucket.start_s,
                "end_time": bucket.end_s,
                "results": results.get(bucket.start_s, []),
            }
            for bucket in buckets
        ],
        "has_more": has_more,
        "next_page": query.cursor(page_end_s) if has_more else None,
    }


def _result(row: Row) -> JsonObject:
    charge = row["charge_nano_usd"]
    return {
        "object": "organization.usage.completions.result",
        "num_model_requests": row["requests"],
        "num_attempts": row["attempts"],
        "input_tokens": row["input_tokens"],
        "input_cached_tokens": row["cached_input_tokens"],
        "input_cache_write_tokens": row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"],
        "input_cache_write_1h_tokens": row["cache_write_1h_tokens"],
        "input_audio_tokens": row["input_audio_tokens"],
        "output_tokens": row["output_tokens"],
        "output_reasoning_tokens": row["reasoning_tokens"],
        "output_audio_tokens": row["output_audio_tokens"],
        "charge_nano_usd": None if charge is None else str(charge),
        "num_uncharged_attempts": row["uncharged_attempts"],
        "project_id": None,
        "batch": None,
        "user_id": row["user_id"],
        "api_key_id": row["key_id"],
        "model": row["model"],
        "service_tier": row["service_tier"],
        "channel": row["channel"],
        "provider": row["provider"],
        "agent_run_id": row["agent_run_id"],
    }
