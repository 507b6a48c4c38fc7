-- Locks and reads a session, and reserves one that does not exist; or gets into the queue for the lock.
-- ARGV: token, nonce, lifetime in ms and in s, lock's lifetime in ms (0: no lock), which attempt, most waiters (0: any
-- number), since when the request counts as begun (0: now), holder's description, whether to reserve.
local nonce, lock_ttl, attempt = ARGV[2], tonumber(ARGV[5]), ARGV[6]
local FIRST, AGAIN, LAST, ONLY = 'first', 'again', 'last', 'only'
local description, reserves = ARGV[9], ARGV[10] == '1'
local entry = token .. description
local now = time()
local began = tonumber(ARGV[8])
if began == 0 then
    began = now
end

local function leave()
    if attempt == AGAIN or attempt == LAST then
        redis.call('LREM', QUEUE, 1, entry)
    end
    unlock()
end

-- Leaves a trace in a session that another request has reserved, for the end that the other request may make of it.
local function meet(value)
    if is_unwritten(value) and commit_of(value) ~= nonce and string.byte(value, MET + 1) == 0 then
        redis.call('SETRANGE', SESSION, MET, '\1')
    end
end

if not reserves and redis.call('EXISTS', SESSION) == 0 then
    leave()
    return { ABSENT, false, now }
end

if lock_ttl > 0 then
    local held = redis.call('GET', LOCK)
    if not held then
        local first = redis.call('LINDEX', QUEUE, 0)
        if first == entry then
            redis.call('LPOP', QUEUE)
        elseif first then
            -- The lock expired, or a waiter died: the one that has waited longest comes first.
            pass_on()
            held = redis.call('GET', LOCK)
        end
    end
    if held and string.sub(held, 1, TOKEN) ~= token then
        if attempt == LAST then
            redis.call('LREM', QUEUE, 1, entry)
            return { BUSY, held, now }
        end
        local most, waiting = tonumber(ARGV[7]), redis.call('LLEN', QUEUE)
        if attempt ~= AGAIN and most > 0 and waiting >= most then
            return { CROWDED, held, now, waiting }
        end
        if attempt == ONLY then
            return { BUSY, held, now }
        end
        local awaited, foreign = header()
        if awaited and not foreign then
            meet(awaited)
        end
        if attempt == FIRST or not redis.call('LPOS', QUEUE, entry) then
            redis.call('RPUSH', QUEUE, entry)
        end
        -- Each waiter asks again within a second or so. A queue of dead ones goes away.
        redis.call('PEXPIRE', QUEUE, 10000)
        return { WAITING, held, now, redis.call('PTTL', LOCK) }
    end
end

local value = redis.pcall('GET', SESSION)
if value and is_foreign(value) then
    leave()
    return { FOREIGN }
end
local created, ended = 0, 0
if not value then
    local last = last_end()
    if last > began then
        ended = 1
    else
        began = math.max(now, last + 1)
        local second = math.floor(now / 1000000)
        value = MAGIC .. '\1\0\0\0' .. packed(began) .. packed(0)
            .. struct.pack('<I4I4I4I4', second, second, tonumber(ARGV[4]), 0) .. packed(0) .. nonce
            .. string.rep('\0', HEADER - SHORT_HEADER)
        redis.call('SET', SESSION, value, 'PX', ARGV[3])
        created = 1
    end
elseif commit_of(value) == nonce and #value == HEADER then
    -- This call is the repetition of one whose answer was lost.
    created = 1
else
    meet(value)
end
if lock_ttl > 0 then
    redis.call('SET', LOCK, token .. packed(now) .. description, 'PX', lock_ttl)
end
return { DONE, value, math.max(now, began), created, ended }
