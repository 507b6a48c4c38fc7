-- Makes a session name the one that takes its place: from here on nobody writes it. Its lock stays as it is.
-- ARGV: token, incarnation that the lease has, key and incarnation of the successor, the same of the one that the session
-- may name by now (empty: none), number of the commit that wrote what the lease has read.
local incarnation, successor, before, read = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local stored, foreign = header()
if foreign then
    return { FOREIGN }
end
if not stored then
    return { last_end() >= number(incarnation, 1) and ENDED or ABSENT }
end
if incarnation_of(stored) ~= incarnation then
    return { ENDED }
end
if state(stored) == LIVE or state(stored) == NAMING and successor_of(stored) == before then
    if is_format_1(stored) then
        convert()
    end
    redis.call('SETRANGE', SESSION, 56, successor)
    redis.call('SETRANGE', SESSION, 4, string.char(NAMING))
elseif state(stored) ~= NAMING or successor_of(stored) ~= successor then
    return { ENDED }
    -- Else this call is the repetition of one whose answer was lost.
end
if commit_of(stored) ~= read then
    return { VERSION_CHANGED, redis.call('GET', SESSION) }
end
return { DONE }
