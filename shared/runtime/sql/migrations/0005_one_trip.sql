-- Locks the shards' heads, in order, then says where they stand, at what time, and how far each of the given logs was
-- consumed there (in their order; 0: not at all). Each statement of a volatile function sees what was committed before
-- it began, so what is read here is read under the locks, as by statements of its own, and costs one round trip.
create function lock_heads(shards smallint[], logs text[])
returns table (
    shard smallint, sequence bigint, hash bytea, published bigint, saves bigint, progress bigint[], locked_at timestamptz
)
language plpgsql volatile as $$
#variable_conflict use_column
begin
    perform from head where head.shard = any(shards) order by head.shard for update;
    return query
        select head.shard, head.sequence, head.hash, head.published, head.saves,
               array(
                   select coalesce(done.sequence, 0)
                   from unnest(logs) with ordinality as wanted (log, place)
                   left join progress as done on done.log = wanted.log and done.shard = head.shard
                   order by wanted.place
               ),
               clock_timestamp()
        from head where head.shard = any(shards);
end;
$$;
