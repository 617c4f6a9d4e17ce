-- Whether a partition that is stopped must not go on, so that an operator has to decide. Where its
-- owner has only failed, the next one may go on, and there is no loss to accept.
alter table partitions add column halted boolean not null default true;
