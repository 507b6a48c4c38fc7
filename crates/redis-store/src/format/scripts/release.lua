-- Unlocks a session.
unlock()
return { DONE }
