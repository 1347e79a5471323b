create unlogged table events (id bigint, payload jsonb)
  with (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false, toast_tuple_target = 256);
