"""The steps on Redis, each one script: Redis runs it whole or not at all.

All keys of a queue begin with KEYS[1], whose braces keep them in one slot of a cluster. `ready`
is ordered by priority and turn; `delayed` by when it is due, `running` by when the lease lapses,
ended states by when they ended, all in milliseconds of Redis's own clock.
"""

from __future__ import annotations

from backends.redis.link import Script

FIELDS = (
    *("id", "name", "state", "payload", "priority", "unique", "attempt", "attempts", "created"),
    *("due", "started", "ended", "progress", "note", "error", "result", "worker", "cancelling"),
)

SHARED = """
local base = KEYS[1]
local READY, DELAYED, RUNNING = base .. 'ready', base .. 'delayed', base .. 'running'
local UNIQUE, WAKE = base .. 'unique', base .. 'wake'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local function key(id) return base .. 'job:' .. id end

local function wake(count)
    count = math.min(count, 16)
    if count > 0 and redis.call('LLEN', WAKE) < 64 then
        for _ = 1, count do redis.call('RPUSH', WAKE, '1') end
    end
end

local function to_ready(id, priority)
    local turn = redis.call('INCR', base .. 'turn')
    redis.call('ZADD', READY, whole((100 - priority) * 2 ^ 44 + turn), id)
end

local function to_end(id, state)
    local unique = redis.call('HGET', key(id), 'unique')
    if unique and redis.call('HGET', UNIQUE, unique) == id then
        redis.call('HDEL', UNIQUE, unique)
    end
    redis.call('HSET', key(id), 'state', state, 'ended', whole(now))
    redis.call('ZADD', base .. state, whole(now), id)
end

local function forget(state, ids)
    for _, id in ipairs(ids) do
        redis.call('ZREM', base .. state, id)
        redis.call('DEL', key(id))
    end
end

local function keep(state, most)
    local over = redis.call('ZCARD', base .. state) - most
    if over > 0 then
        forget(state, redis.call('ZRANGE', base .. state, 0, math.min(over, 1000) - 1))
    end
end

local function add(at)
    local id, unique = ARGV[at], ARGV[at + 5]
    if redis.call('EXISTS', key(id)) == 1 then return id, 0 end
    if unique ~= '' then
        local holder = redis.call('HGET', UNIQUE, unique)
        if holder then return holder, 0 end
        redis.call('HSET', UNIQUE, unique, id)
        redis.call('HSET', key(id), 'unique', unique)
    end
    local delay = tonumber(ARGV[at + 4])
    redis.call('HSET', key(id), 'id', id, 'name', ARGV[at + 1], 'payload', ARGV[at + 2],
        'priority', ARGV[at + 3], 'attempts', ARGV[at + 6], 'rules', ARGV[at + 7],
        'state', delay > 0 and 'delayed' or 'ready', 'attempt', '0', 'fence', '0',
        'created', whole(now), 'due', whole(now + delay))
    if delay > 0 then
        redis.call('ZADD', DELAYED, whole(now + delay), id)
    else
        to_ready(id, tonumber(ARGV[at + 3]))
    end
    return id, 1
end

local function room(more, most)
    local waiting = redis.call('ZCARD', READY) + redis.call('ZCARD', DELAYED)
    return waiting + more <= most, waiting
end
"""

ENQUEUE = """
local count = tonumber(ARGV[2])
local fits, waiting = room(count, tonumber(ARGV[1]))
if not fits then return waiting end
local said = {}
for number = 0, count - 1 do
    local id, new = add(3 + number * 8)
    said[#said + 1] = id
    said[#said + 1] = new
end
wake(count)
return said
"""

FIRE = """
local fits, waiting = room(1, tonumber(ARGV[1]))
local last = redis.call('HGET', base .. 'fires', ARGV[2])
if last and tonumber(last) >= tonumber(ARGV[3]) then return 'no' end
if not fits then return waiting end
redis.call('HSET', base .. 'fires', ARGV[2], ARGV[3])
add(4)
wake(1)
return 'yes'
"""

CLAIM = """
local count, until_, lost = tonumber(ARGV[1]), whole(now + tonumber(ARGV[2])), ARGV[4]
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DELAYED, '-inf', whole(now), 'LIMIT', 0, 1000)) do
    redis.call('ZREM', DELAYED, id)
    local priority = redis.call('HGET', key(id), 'priority')
    if priority then
        redis.call('HSET', key(id), 'state', 'ready')
        to_ready(id, tonumber(priority))
    end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', RUNNING, '-inf', whole(now), 'LIMIT', 0, 1000)) do
    redis.call('ZREM', RUNNING, id)
    local job = redis.call('HMGET', key(id), 'priority', 'attempt', 'attempts', 'cancelling')
    if job[1] then
        redis.call('HSET', key(id), 'error', lost)
        redis.call('HDEL', key(id), 'worker')
        if job[4] then
            to_end(id, 'cancelled')
        elseif tonumber(job[2]) >= tonumber(job[3]) then
            to_end(id, 'dead')
        else
            redis.call('HSET', key(id), 'state', 'ready')
            to_ready(id, tonumber(job[1]))
        end
    end
end
local said = {0}
local popped = redis.call('ZPOPMIN', READY, count)
for number = 1, #popped, 2 do
    local id = popped[number]
    if redis.call('EXISTS', key(id)) == 1 then
        redis.call('ZADD', RUNNING, until_, id)
        redis.call('HINCRBY', key(id), 'fence', 1)
        redis.call('HINCRBY', key(id), 'attempt', 1)
        redis.call('HSET', key(id), 'state', 'running', 'worker', ARGV[3], 'started', whole(now))
        redis.call('HDEL', key(id), 'progress', 'note')
        said[#said + 1] = redis.call('HMGET', key(id), 'id', 'fence', 'name', 'payload',
            'attempt', 'attempts', 'rules')
    end
end
if #popped == 2 * count then return said end
redis.call('DEL', WAKE)
local first = -1
for _, name in ipairs({DELAYED, RUNNING}) do
    local due = redis.call('ZRANGE', name, 0, 0, 'WITHSCORES')[2]
    if due then
        local rest = math.max(0, tonumber(due) - now)
        if first < 0 or rest < first then first = rest end
    end
end
said[1] = first
return said
"""

BEAT = """
local until_, said = whole(now + tonumber(ARGV[1])), {}
for at = 2, #ARGV, 4 do
    local id = ARGV[at]
    local job = redis.call('HMGET', key(id), 'fence', 'state', 'cancelling')
    if job[1] ~= ARGV[at + 1] or job[2] ~= 'running' then
        said[#said + 1] = 'lost'
    else
        redis.call('ZADD', RUNNING, until_, id)
        if ARGV[at + 2] ~= '' then redis.call('HSET', key(id), 'progress', ARGV[at + 2]) end
        if ARGV[at + 3] ~= '-' then
            redis.call('HSET', key(id), 'note', string.sub(ARGV[at + 3], 2))
        end
        said[#said + 1] = job[3] and 'cancelling' or 'held'
    end
end
return said
"""

FINISH = """
local said, again = {}, 0
for at = 4, #ARGV, 6 do
    local id, verdict, delay = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 3])
    local job = redis.call('HMGET', key(id), 'fence', 'state', 'cancelling', 'attempt',
        'attempts', 'priority')
    if job[1] ~= ARGV[at + 1] or job[2] ~= 'running' then
        said[#said + 1] = 0
    else
        said[#said + 1] = 1
        redis.call('ZREM', RUNNING, id)
        if ARGV[at + 4] ~= '' then redis.call('HSET', key(id), 'result', ARGV[at + 4]) end
        if ARGV[at + 5] ~= '' then
            redis.call('HSET', key(id), 'error', ARGV[at + 5])
        elseif verdict ~= 'release' then
            redis.call('HDEL', key(id), 'error')
        end
        if verdict == 'done' then redis.call('HSET', key(id), 'progress', '1') end
        if verdict ~= 'done' and verdict ~= 'dead' then redis.call('HDEL', key(id), 'worker') end
        if verdict == 'release' then redis.call('HINCRBY', key(id), 'attempt', -1) end
        if verdict == 'done' or verdict == 'dead' or verdict == 'cancelled' then
            to_end(id, verdict)
        elseif job[3] then
            to_end(id, 'cancelled')
        elseif verdict == 'retry' and tonumber(job[4]) >= tonumber(job[5]) then
            to_end(id, 'dead')
        elseif verdict == 'retry' and delay > 0 then
            redis.call('HSET', key(id), 'state', 'delayed', 'due', whole(now + delay))
            redis.call('ZADD', DELAYED, whole(now + delay), id)
        else
            redis.call('HSET', key(id), 'state', 'ready')
            to_ready(id, tonumber(job[6]))
            again = again + 1
        end
    end
end
wake(again)
for _, state in ipairs({'done', 'cancelled'}) do
    keep(state, tonumber(ARGV[1]))
    local before = '(' .. whole(now - tonumber(ARGV[2]))
    forget(state, redis.call('ZRANGEBYSCORE', base .. state, '-inf', before, 'LIMIT', 0, 1000))
end
keep('dead', tonumber(ARGV[3]))
return said
"""

CANCEL = """
local state = redis.call('HGET', key(ARGV[1]), 'state')
if state == 'running' then
    redis.call('HSET', key(ARGV[1]), 'cancelling', '1')
elseif state == 'ready' or state == 'delayed' then
    redis.call('ZREM', base .. state, ARGV[1])
    redis.call('HSET', key(ARGV[1]), 'cancelling', '1')
    to_end(ARGV[1], 'cancelled')
else
    return 0
end
return 1
"""

DEAD = """
local ids, count = ARGV, 0
if ARGV[2] == '*' then ids = redis.call('ZRANGE', base .. 'dead', 0, 999) end
for at = ids == ARGV and 2 or 1, #ids do
    local id = ids[at]
    local job = redis.call('HMGET', key(id), 'state', 'unique', 'priority')
    if job[1] == 'dead' and ARGV[1] == 'discard' then
        forget('dead', {id})
        count = count + 1
    elseif job[1] == 'dead' and not (job[2] and redis.call('HEXISTS', UNIQUE, job[2]) == 1) then
        if job[2] then redis.call('HSET', UNIQUE, job[2], id) end
        redis.call('ZREM', base .. 'dead', id)
        redis.call('HDEL', key(id), 'ended', 'cancelling')
        redis.call('HSET', key(id), 'state', 'ready', 'attempt', '0', 'due', whole(now))
        to_ready(id, tonumber(job[3]))
        count = count + 1
    end
end
if ARGV[1] == 'replay' then wake(count) end
return count
"""

PAGE = """
local from, to, ids = tonumber(ARGV[2]), tonumber(ARGV[2]) + tonumber(ARGV[3]) - 1, {}
if ARGV[4] == 'newest' then
    ids = redis.call('ZREVRANGE', base .. ARGV[1], from, to)
else
    ids = redis.call('ZRANGE', base .. ARGV[1], from, to)
end
local said = {}
for at, id in ipairs(ids) do said[at] = redis.call('HMGET', key(id), unpack(ARGV, 5)) end
return said
"""

STATS = """
local said, first = {}, redis.call('ZRANGE', READY, 0, 0)[1]
for at, state in ipairs(ARGV) do said[at] = redis.call('ZCARD', base .. state) end
local due = first and redis.call('HGET', key(first), 'due')
said[#said + 1] = due and whole(math.max(0, now - tonumber(due))) or '0'
return said
"""


enqueue, fire, claim, beat, finish, cancel, dead, page, stats = (
    Script(SHARED + step)
    for step in (ENQUEUE, FIRE, CLAIM, BEAT, FINISH, CANCEL, DEAD, PAGE, STATS)
)
