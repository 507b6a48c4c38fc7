-- Stores a session from elsewhere where none is stored, no request is making one, and none was destroyed lately.
-- ARGV: no token, lifetime in ms, the whole value.
local value = ARGV[3]
local stored, foreign = header()
if foreign then
    return { FOREIGN }
end
if stored then
    -- The same number: this call is the repetition of one whose answer was lost.
    return { commit_of(stored) == commit_of(value) and DONE or VERSION_CHANGED }
end
if redis.call('EXISTS', LOCK) == 1 then
    return { BUSY }
end
if last_end() > 0 then
    return { ENDED }
end
redis.call('SET', SESSION, value, 'PX', ARGV[2])
return { DONE }
