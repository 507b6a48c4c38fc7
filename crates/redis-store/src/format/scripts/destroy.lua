-- Ends a session and unlocks it. Answers whether there was one.
-- ARGV: token, incarnation that is to be ended (empty: whichever), tombstone in ms, grace in ms, nonce.
local incarnation, tombstone, grace, nonce = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
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
-- Later than all that began before, whatever the clocks of other servers said.
local ended = math.max(time(), remembered and number(remembered, 1) or 0)
if stored then
    ended = math.max(ended, number(stored, 9))
elseif incarnation ~= '' then
    ended = math.max(ended, number(incarnation, 1))
end
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
    redis.call('SET', TOMBSTONE, packed(ended) .. nonce .. string.char(mine and 1 or 0), 'PX', tombstone)
end
unlock()
return { DONE, mine and 1 or 0 }
