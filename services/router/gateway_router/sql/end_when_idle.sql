-- A router that stalls within this transaction loses it, and what it holds, after so many milliseconds.
SELECT set_config('idle_in_transaction_session_timeout', $1, true)
