create schema "Code";
create function "Code"."Do it"() returns trigger language plpgsql as $$ begin return null; end $$;
create table t (id int, "Big" text);
create trigger "Odd $$ name" after insert on t referencing new table as "New" for each statement execute function "Code"."Do it"();
create trigger with_arguments before update on t for each row when (old.* is distinct from new.* and old."Big" like '%?%') execute function "Code"."Do it"('a,b', 'it''s', E'back\\slash', '');
create constraint trigger deferred after update on t initially deferred for each row when (new.id > 0) execute function "Code"."Do it"();
