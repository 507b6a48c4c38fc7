-- Lets a session live on whose successor was given up. Answers whether it named that one.
-- ARGV: no token, key and incarnation of the successor.
local stored, foreign = header()
if foreign then
    return { FOREIGN }
end
if not stored or state(stored) ~= NAMING or successor_of(stored) ~= ARGV[2] then
    return { DONE, 0 }
end
redis.call('SETRANGE', SESSION, 4, string.char(LIVE))
redis.call('SETRANGE', SESSION, 56, string.rep('\0', 24))
return { DONE, 1 }
