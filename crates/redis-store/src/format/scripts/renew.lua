-- Lets a lock live on. Answers whether it is still the lease's. ARGV: token, lock's lifetime in ms.
if not owns_lock() then
    return { LOST }
end
redis.call('PEXPIRE', LOCK, ARGV[2])
return { DONE }
