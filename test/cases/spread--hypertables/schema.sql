-- The parts of the catalogs of TimescaleDB 2 that name its tables.
create schema _timescaledb_catalog;
create table _timescaledb_catalog.hypertable (id int primary key, schema_name name, table_name name);
create table _timescaledb_catalog.chunk (id int primary key, hypertable_id int, schema_name name, table_name name);
create schema _timescaledb_internal;
create table metrics (at timestamptz not null, value float8);
create table _timescaledb_internal._hyper_1_1_chunk (check (at >= '2024-01-01' and at < '2024-01-08')) inherits (metrics);
insert into _timescaledb_catalog.hypertable values (1, 'public', 'metrics');
insert into _timescaledb_catalog.chunk values (1, 1, '_timescaledb_internal', '_hyper_1_1_chunk');
