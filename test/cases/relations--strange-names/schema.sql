create schema "My Schema";
create type "My Schema"."Mood ""quoted""" as enum ('so?so', 'back\slash', 'quo''te');
create table "My Schema"."sel;ect -- 
new line" (
  "Upper Case" int primary key,
  "do$$llar" text default 'what? $1 :x \? ''quoted'' too',
  "sélect" "My Schema"."Mood ""quoted""" default 'so?so',
  "a.b" int check ("a.b" > 0),
  "?" text
);
comment on table "My Schema"."sel;ect -- 
new line" is 'it''s \ a ? comment; drop table x; --
second line';
comment on column "My Schema"."sel;ect -- 
new line"."a.b" is '?';
create index "an ""index"" ?" on "My Schema"."sel;ect -- 
new line" ("do$$llar");
