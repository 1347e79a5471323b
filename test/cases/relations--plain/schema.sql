create table notes (id int primary key, body text not null, at timestamptz default now());
