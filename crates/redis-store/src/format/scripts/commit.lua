-- Writes a session and unlocks it.
-- ARGV: token, whether the lease wants the lock, what it may replace (any version, what it has read, or the reservation
-- that it has made, and only with its lock), lifetime in ms, the whole value with the version after the one that the lease
-- has read, number of the commit that wrote what the lease has read.
local exclusive, over, value, read = ARGV[2] == '1', ARGV[3], ARGV[5], ARGV[6]
local over_anything, over_reservation = over == 'anything', over == 'reservation'
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
    if over_reservation and not owns_lock() then
        return { LOST }
    end
    -- It expired, was evicted, or was lost with a server: what the lease holds is the newest there is.
    vanished = 1
else
    if state(stored) ~= LIVE or incarnation_of(stored) ~= incarnation_of(value) then
        unlock()
        return { ENDED }
    end
    if commit_of(stored) == commit_of(value) then
        -- This call is the repetition of one whose answer was lost.
        unlock()
        return { DONE, number(stored, 17), 0 }
    end
    if over_reservation and not owns_lock() then
        -- Who had the lock since may have found the session given up.
        return { LOST }
    end
    local current = number(stored, 17)
    if current ~= version - 1 or commit_of(stored) ~= read then
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
