SELECT
    price_provider, model_served, model_upstream,
    array_remove(ARRAY[
        CASE WHEN bool_or(cached_input_tokens > 0) THEN 'cached_input' END,
        CASE WHEN bool_or(cache_write_5m_tokens > 0) THEN 'cache_write_5m' END,
        CASE WHEN bool_or(cache_write_1h_tokens > 0) THEN 'cache_write_1h' END,
        CASE WHEN bool_or(input_audio_tokens > 0) THEN 'input_audio' END,
        CASE WHEN bool_or(output_audio_tokens > 0) THEN 'output_audio' END
    ], NULL) AS kinds
FROM billing.event
WHERE started_at >= now() - interval '35 days'
GROUP BY price_provider, model_served, model_upstream
