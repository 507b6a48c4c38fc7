-- Writes a session and unlocks it.
-- ARGV: token, whether the lease wants the lock, whether it may replace any version, lifetime in ms, the whole value with
-- the version after the one that the lease has read, number of the commit that wrote what the lease has read.
local exclusive, over_anything, value, read = ARGV[2] == '1', ARGV[3] == '1', ARGV[5], ARGV[6]
local version = number(value, 17)
local stored, foreign = header()
local vanished, corrected = 0, nil
if foreign then
    unlock()
    return { FOREIGN }
end
if not stored then
    if last_end() >= number(value, 9) then
        unlock()
        return { ENDED }
    end
    -- It expired, was evicted, or was lost with a server: what the lease holds is the newest there is.
    vanished = 1
else
    if string.byte(stored, 5) ~= 1 or string.sub(stored, 9, 16) ~= string.sub(value, 9, 16) then
        unlock()
        return { ENDED }
    end
    if string.sub(stored, 49, HEADER) == string.sub(value, 49, HEADER) then
        -- This call is the repetition of one whose answer was lost.
        unlock()
        return { DONE, number(stored, 17), 0 }
    end
    local current = number(stored, 17)
    if current ~= version - 1 or string.sub(stored, 49, HEADER) ~= read then
        if exclusive and not owns_lock() then
            return { LOST }
        end
        if not over_anything then
            return { VERSION_CHANGED, redis.call('GET', SESSION) }
        end
        version = current + 1
        corrected = packed(version)
    end
end
redis.call('SET', SESSION, value, 'PX', ARGV[4])
if corrected then
    redis.call('SETRANGE', SESSION, 16, corrected)
end
unlock()
return { DONE, version, vanished }
