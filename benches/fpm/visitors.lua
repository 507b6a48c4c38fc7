-- For wrk: each request is that of one of a thousand visitors, chosen at random, who keep their cookies.
local sessions = tonumber(os.getenv("BENCH_SESSIONS")) or 1000
local target = os.getenv("BENCH_TARGET") or "/"
local failed = 0

function init()
    math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 100000)
end

function request()
    local id = string.format("a%031d", math.random(0, sessions - 1))
    return wrk.format("GET", target, { ["Cookie"] = "PHPSESSID=" .. id })
end

function response(status, _, body)
    if status ~= 200 or not tonumber(body) then
        failed = failed + 1
        wrk.thread:set("failed", failed)
    end
end

local threads = {}
function setup(thread)
    table.insert(threads, thread)
end

function done(summary, latency)
    local wrong = 0
    for _, thread in ipairs(threads) do
        wrong = wrong + (thread:get("failed") or 0)
    end
    local errors = summary.errors
    local lost = errors.connect + errors.read + errors.write + errors.timeout + errors.status
    io.write(string.format("figures %d %d %.0f %.0f %d\n", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), wrong + lost))
end
