-- Ends a session and unlocks it. Answers whether there was one, and whether somebody had ended it, or replaced its id,
-- since it was read: the sum of these.
local LIVED, BEFORE = 1, 2
-- ARGV: token, incarnation that is to be ended (empty: whichever), tombstone in ms, grace in ms, nonce, number under which
-- the lease has reserved the session (empty: it has not, or its id may be known from before); incarnation that was read
-- (empty: nobody asks; zero: there was none) and when.
local incarnation, tombstone, grace, nonce = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local reservation, read, when = ARGV[6], ARGV[7], tonumber(ARGV[8])
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
local last = remembered and number(remembered, 1) or 0
local mine = stored and (incarnation == '' or incarnation_of(stored) == incarnation)
local replaced = stored and state(stored) ~= LIVE
local before = 0
if read ~= '' then
    local life = number(read, 1)
    if replaced or stored and life > 0 and incarnation_of(stored) ~= read
        or not stored and (last > when or life > 0 and last >= life) then
        before = BEFORE
    end
end
if stored and not mine or replaced and grace > 0 then
    unlock()
    return { DONE, before }
end
-- A tombstone is for other leases of the session. Where the id is new, no request has written the session and no other one
-- has met it or waits for it, no other lease exists or can come: nothing needs to be remembered, or to be read for a while.
if mine and reservation ~= '' and commit_of(stored) == reservation and string.byte(stored, MET + 1) == 0
    and is_unwritten(stored) and not remembered and redis.call('EXISTS', QUEUE) == 0 then
    redis.call('DEL', SESSION)
    unlock()
    return { DONE, LIVED }
end
-- Later than all that began before, whatever the clocks of other servers said.
local ended = math.max(time(), last)
if stored then
    ended = math.max(ended, number(stored, 9))
elseif incarnation ~= '' then
    ended = math.max(ended, number(incarnation, 1))
end
-- A session that its own lease reserved and that is gone without a tombstone was ended by a call whose answer was lost; or it
-- vanished, and other leases may be left. Either way it lived, and its end is remembered.
local lived = mine or not stored and not remembered and reservation ~= ''
local answer = before + (lived and LIVED or 0)
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
    redis.call('SET', TOMBSTONE, packed(ended) .. nonce .. string.char(answer), 'PX', tombstone)
end
unlock()
return { DONE, answer }
