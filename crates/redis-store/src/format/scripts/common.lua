-- What all scripts begin with. KEYS: the session, its lock, its queue of waiters, its tombstone. ARGV[1]: the token of
-- the lease, empty where it has no lock. A script answers an array that begins with one of these:
local DONE, WAITING, BUSY, CROWDED, ABSENT, ENDED, FOREIGN, VERSION_CHANGED, LOST = 0, 1, 2, 3, 4, 5, 6, 7, 8

local SESSION, LOCK, QUEUE, TOMBSTONE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token = ARGV[1]
-- Milliseconds that a waiter has to take the lock it was granted. Its next call is on the server already.
local GRANT = 300
local TOKEN, HEADER, MAGIC = 22, 112, 'CLK\2'
-- Of format 1, whose header is the beginning of this one.
local SHORT_HEADER, MAGIC_1 = 56, 'CLK\1'
local LIVE, RETIRED, NAMING = 1, 2, 3
-- Where a header says whether another request than the one that reserved the session has met it: see destroy.lua.
local MET = 5

-- The server's clock in microseconds.
local function time()
    local clock = redis.call('TIME')
    return clock[1] * 1000000 + clock[2]
end

local function number(bytes, at)
    return (struct.unpack('<I8', bytes, at))
end

local function packed(value)
    return struct.pack('<I8', value)
end

local function is_format_1(value)
    return string.sub(value, 1, 4) == MAGIC_1
end

-- The fields of a header that scripts compare.
local function state(value)
    return string.byte(value, 5)
end

local function incarnation_of(value)
    return string.sub(value, 9, 16)
end

-- The random number of the commit that wrote it.
local function commit_of(value)
    return string.sub(value, 49, 56)
end

-- Key and incarnation of the session that takes its place.
local function successor_of(value)
    return string.sub(value, 57, 80)
end

-- Whether what stands in the place of a session is anything else: of another type (an error), too short, not ours, or
-- of a later version that has a use for what is room here.
local function is_foreign(value)
    if type(value) ~= 'string' or #value < SHORT_HEADER then
        return true
    end
    local last = NAMING
    if is_format_1(value) then
        last = RETIRED
    elseif #value < HEADER or string.sub(value, 1, 4) ~= MAGIC or string.byte(value, 8) ~= 0
        or string.sub(value, 109, 112) ~= '\0\0\0\0' then
        return true
    end
    return state(value) < LIVE or state(value) > last
end

-- Whether a session, of which this is the beginning, is only reserved: live, and of version 0.
local function is_unwritten(value)
    return state(value) == LIVE and number(value, 17) == 0
end

-- The beginning of the session, nil where there is none; and whether something foreign is there.
local function header()
    local bytes = redis.pcall('GETRANGE', SESSION, 0, HEADER - 1)
    if bytes == '' and redis.call('EXISTS', SESSION) == 0 then
        return nil, false
    end
    return bytes, is_foreign(bytes)
end

-- Makes a session of format 1, which is there, one of format 2.
local function convert()
    local value = redis.call('GET', SESSION)
    local header = MAGIC .. string.sub(value, 5, SHORT_HEADER) .. string.rep('\0', HEADER - SHORT_HEADER)
    redis.call('SET', SESSION, header .. string.sub(value, SHORT_HEADER + 1), 'KEEPTTL')
end

-- The number of the last end of this session, 0 where none is remembered.
local function last_end()
    local bytes = redis.call('GET', TOMBSTONE)
    return bytes and number(bytes, 1) or 0
end

local function owns_lock()
    if token == '' then
        return false
    end
    local held = redis.call('GET', LOCK)
    return held and string.sub(held, 1, TOKEN) == token
end

-- Gives the lock to the request that has waited longest and wakes it; frees the lock where none waits.
local function pass_on()
    local entry = redis.call('LPOP', QUEUE)
    if entry then
        local waiter = string.sub(entry, 1, TOKEN)
        local lock = waiter .. packed(time()) .. string.sub(entry, TOKEN + 1)
        if not redis.pcall('SET', LOCK, lock, 'PX', GRANT).err then
            local bell = SESSION .. ':w:' .. waiter
            redis.call('RPUSH', bell, '1')
            redis.call('PEXPIRE', bell, 10 * GRANT)
            return
        end
    end
    redis.call('DEL', LOCK)
end

local function unlock()
    if owns_lock() then
        pass_on()
    end
end
