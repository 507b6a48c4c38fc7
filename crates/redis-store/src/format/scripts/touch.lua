-- Extends the lifetime of a session and unlocks it. One that vanished stays locked: the caller writes it.
-- ARGV: token, incarnation, lifetime in ms and in s.
local stored, foreign = header()
if foreign then
    unlock()
    return { FOREIGN }
end
local incarnation = ARGV[2]
if not stored and last_end() < number(incarnation, 1) then
    return { ABSENT }
end
if not stored or state(stored) ~= LIVE or incarnation_of(stored) ~= incarnation then
    unlock()
    return { ENDED }
end
if is_format_1(stored) then
    convert()
end
redis.call('SETRANGE', SESSION, 28, struct.pack('<I4I4', math.floor(time() / 1000000), tonumber(ARGV[4])))
redis.call('PEXPIRE', SESSION, ARGV[3])
unlock()
return { DONE, number(stored, 17), 0 }
