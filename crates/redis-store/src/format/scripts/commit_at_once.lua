-- The usual case, in as few calls as it takes: what the lease has read is there, the lock is its own, and no request waits for
-- it. In any other case nothing is done here. ARGV as in commit.lua.
do
    local held = ARGV[1] ~= '' and redis.call('GET', KEYS[2])
    if held and string.sub(held, 1, 22) == ARGV[1] then
        local value = ARGV[5]
        -- Magic, state (live, naming no successor) and incarnation; then the number of the commit that wrote it.
        local stored = redis.pcall('GETRANGE', KEYS[1], 0, 55)
        if type(stored) == 'string' and string.sub(stored, 1, 16) == string.sub(value, 1, 16)
            and string.sub(stored, 49) == ARGV[6] and redis.call('EXISTS', KEYS[3]) == 0 then
            local version = struct.unpack('<I8', value, 17)
            if struct.unpack('<I8', stored, 17) == version - 1 then
                redis.call('SET', KEYS[1], value, 'PX', ARGV[4])
                redis.call('DEL', KEYS[2])
                return { 0, version, 0 }
            end
        end
    end
end
