-- Ends a session whose successor was written, if it names that one and lives. Answers whether it did.
-- ARGV: no token, key and incarnation of the successor, tombstone in ms, grace in ms.
local tombstone, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
local stored, foreign = header()
if foreign then
    return { FOREIGN }
end
if stored and (state(stored) ~= NAMING or successor_of(stored) ~= ARGV[2]) then
    return { DONE, 0 }
end
-- Later than all that began before, whatever the clocks of other servers said.
local ended = math.max(time(), last_end(), stored and number(stored, 9) or 0)
-- What needs no memory comes first: see destroy.lua. A session that vanished meanwhile has nothing to be read, and is not
-- written back.
if stored and grace > 0 then
    local left = redis.call('PTTL', SESSION)
    redis.call('PEXPIRE', SESSION, left < 1 and grace or math.min(left, grace))
    redis.call('SETRANGE', SESSION, 4, string.char(RETIRED))
else
    redis.call('DEL', SESSION)
end
if tombstone > 0 then
    -- No call of destroy.lua has the number zero.
    redis.call('SET', TOMBSTONE, packed(ended) .. packed(0) .. '\1', 'PX', tombstone)
end
return { DONE, stored and 1 or 0 }
