-- As before, with which version of each of these kinds of the set-up is in force (in their order; 0: none). It is read
-- under the locks, too, and costs no round trip of its own. The function without kinds stays for the release before.
create function lock_heads(shards smallint[], logs text[], kinds text[])
returns table (
    shard smallint, sequence bigint, hash bytea, published bigint, saves bigint, progress bigint[], in_force bigint[],
    locked_at timestamptz
)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    versions bigint[] := '{}';
begin
    perform from head where head.shard = any(shards) order by head.shard for update;
    if cardinality(kinds) > 0 then  -- else the set-up is none of this service's business, nor may it be readable
        versions := array(
            select coalesce(present.number, 0)
            from unnest(kinds) with ordinality as wanted (kind, place)
            left join district.in_force as present on present.kind = wanted.kind
            order by wanted.place
        );
    end if;
    return query
        select head.shard, head.sequence, head.hash, head.published, head.saves,
               array(
                   select coalesce(done.sequence, 0)
                   from unnest(logs) with ordinality as wanted (log, place)
                   left join progress as done on done.log = wanted.log and done.shard = head.shard
                   order by wanted.place
               ),
               versions, clock_timestamp()
        from head where head.shard = any(shards);
end;
$$;
