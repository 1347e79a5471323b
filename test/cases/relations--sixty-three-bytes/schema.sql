create table a23456789012345678901234567890123456789012345678901234567890bcd (
  id serial primary key,
  a23456789012345678901234567890123456789012345678901234567890bcd int unique
);
create table öäüöäüöäüöäüöäüöäüöäüöäüöäüöäüö (id serial primary key, ß int unique);
