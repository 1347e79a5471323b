create schema "S.x ""y""";
create table "S.x ""y"""."T ""t"".%I" ("Id %s" int, "select" text);
create type "S.x ""y"""."e E" as enum ('a');
create function "S.x ""y"""."f($1) 'x' \ %L"("the ""arg""" "S.x ""y"""."T ""t"".%I", "out" int default 1, e "S.x ""y"""."e E" default 'a')
  returns setof "S.x ""y"""."T ""t"".%I" language sql as 'select $1';
create function "S.x ""y"""."$undrop$"(x "S.x ""y"""."T ""t"".%I") returns text language sql
  begin atomic
    select x."select" || '$undrop$;';
  end;
create procedure "S.x ""y"""."ÄÖÜ é"(inout x "S.x ""y"""."T ""t"".%I") language plpgsql as 'begin end';
create aggregate "S.x ""y"""."Agg"("S.x ""y"""."T ""t"".%I") (sfunc = array_append, stype = "S.x ""y"""."T ""t"".%I"[]);
create operator "S.x ""y""".%% (rightarg = "S.x ""y"""."T ""t"".%I", function = "S.x ""y"""."$undrop$");
comment on function "S.x ""y"""."$undrop$"("S.x ""y"""."T ""t"".%I") is '$undrop$ '' %I';
comment on procedure "S.x ""y"""."ÄÖÜ é" is E'two\nlines';
comment on aggregate "S.x ""y"""."Agg"("S.x ""y"""."T ""t"".%I") is 'agg';
create role "case_x ""y"" %I";
grant execute on all routines in schema "S.x ""y""" to "case_x ""y"" %I" with grant option;
revoke execute on function "S.x ""y"""."$undrop$"("S.x ""y"""."T ""t"".%I") from public;
