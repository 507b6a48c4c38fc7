-- Whether a life of a session is over: it was ended, or another session takes its place. ARGV: no token, incarnation.
local incarnation = ARGV[2]
local stored, foreign = header()
if foreign then
    return { FOREIGN }
end
local over
if stored then
    over = state(stored) ~= LIVE or incarnation_of(stored) ~= incarnation
else
    over = last_end() >= number(incarnation, 1)
end
return { DONE, over and 1 or 0 }
