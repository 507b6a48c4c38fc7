-- Ends a session and unlocks it. Answers whether there was one.
-- ARGV: token, incarnation that is to be ended (empty: whichever), tombstone in ms, grace in ms, nonce, number under which
-- the lease has reserved the session (empty: it has not, or its id may be known from before).
local incarnation, tombstone, grace, nonce = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local reservation = ARGV[6]
local stored, foreign = header()
if foreign then
    unlock()
    return { FOREIGN }
end
local remembered = redis.call('GET', TOMBSTONE)
if remembered and string.sub(remembered, 9, 16) == nonce then
    -- This call is the repetition of one whose answer was lost.
    unlock()
    return { DONE, string.byte(remembered, 17) }
end
local mine = stored and (incarnation == '' or string.sub(stored, 9, 16) == incarnation)
local retired = stored and string.byte(stored, 5) ~= 1
if stored and not mine or retired and grace > 0 then
    unlock()
    return { DONE, 0 }
end
-- A tombstone is for other leases of the session. Where the id is new, no request has written the session and no other one
-- has met it or waits for it, no other lease exists or can come: nothing needs to be remembered, or to be read for a while.
if mine and reservation ~= '' and string.sub(stored, 49, HEADER) == reservation and string.byte(stored, MET + 1) == 0
    and is_unwritten(stored) and not remembered and redis.call('EXISTS', QUEUE) == 0 then
    redis.call('DEL', SESSION)
    unlock()
    return { DONE, 1 }
end
-- Later than all that began before, whatever the clocks of other servers said.
local ended = math.max(time(), remembered and number(remembered, 1) or 0)
if stored then
    ended = math.max(ended, number(stored, 9))
elseif incarnation ~= '' then
    ended = math.max(ended, number(incarnation, 1))
end
-- A session that its own lease reserved and that is gone without a tombstone was ended by a call whose answer was lost; or it
-- vanished, and other leases may be left. Either way it lived, and its end is remembered.
local lived = mine or not stored and not remembered and reservation ~= ''
-- What needs no memory comes first: after it a server that is out of memory lets the rest pass, so that people can log
-- out there too.
if mine and grace > 0 then
    local left = redis.call('PTTL', SESSION)
    redis.call('PEXPIRE', SESSION, left < 1 and grace or math.min(left, grace))
    redis.call('SETRANGE', SESSION, 4, '\2')
else
    redis.call('DEL', SESSION)
end
if tombstone > 0 then
    redis.call('SET', TOMBSTONE, packed(ended) .. nonce .. string.char(lived and 1 or 0), 'PX', tombstone)
end
unlock()
return { DONE, lived and 1 or 0 }
