-- The usual case, in as few calls as it takes: the session is there, the lock is free, and no request waits for it. In any
-- other case nothing is done here. ARGV as in acquire.lua. 112: bytes of a header; one without payload may be the
-- reservation of this very call.
do
    local value = redis.pcall('GET', KEYS[1])
    if type(value) == 'string' and #value > 112 and string.sub(value, 1, 4) == 'CLK\2' then
        local free = ARGV[5] == '0'
        local clock = redis.call('TIME')
        local now = clock[1] * 1000000 + clock[2]
        if not free and redis.call('EXISTS', KEYS[2], KEYS[3]) == 0 then
            redis.call('SET', KEYS[2], ARGV[1] .. struct.pack('<I8', now) .. ARGV[9], 'PX', ARGV[5])
            free = true
        end
        if free then
            return { 0, value, math.max(now, tonumber(ARGV[8])), 0, 0 }
        end
    end
end
