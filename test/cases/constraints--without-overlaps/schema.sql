create table rooms (id int4range, valid daterange, name text, constraint rooms_key primary key (id, valid without overlaps));
create table bookings (id int4range, valid daterange not null, room int4range,
  unique (id, valid without overlaps) deferrable initially deferred,
  constraint in_room foreign key (room, period valid) references rooms (id, period valid));
create table outside (room int4range, valid daterange, foreign key (room, period valid) references rooms);
alter table rooms cluster on rooms_key;
comment on constraint rooms_key on rooms is 'temporal';
