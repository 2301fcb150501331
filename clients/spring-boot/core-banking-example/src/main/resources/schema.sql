-- Read at every start; H2 and PostgreSQL understand it alike.
create table if not exists bank_transaction (
    transaction_id    varchar(128) primary key,
    version           integer not null,
    amount            numeric(19, 4) not null,
    merchant          varchar(256) not null,
    location          varchar(256) not null,
    occurred_at       timestamp(6) with time zone not null,
    customer_id       varchar(128),
    merchant_category varchar(64),
    channel           varchar(64),
    currency          varchar(3),
    latitude          double precision,
    longitude         double precision,
    status            varchar(16) not null,
    risk_score        integer,
    red_flags         varchar(1024),
    reasoning         varchar(4096),
    model_version     varchar(128),
    received_at       timestamp(6) with time zone not null,
    decided_at        timestamp(6) with time zone
);
