UPDATE edge.tenant SET plain_end_user_ids = $2 WHERE tenant_id = $1
