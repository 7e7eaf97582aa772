"""GCRA for a whole batch of keys in one step, by the server's own clock."""

from __future__ import annotations

from hashlib import sha1

# Times are microseconds since 2023-11-14: a double holds those to a sixtieth of one. A key's
# value is its tat, the theoretical arrival time of the next request. Should the clock have been
# set back, a tat lies too far ahead: that is a debt of no more than one full burst either.
SCRIPT = """
local time = redis.call('TIME')
local now = (time[1] - 1700000000) * 1e6 + time[2]
local said = {}
for i, key in ipairs(KEYS) do
  local cells = tonumber(ARGV[3 * i - 2])
  local interval = tonumber(ARGV[3 * i - 1])
  local burst = tonumber(ARGV[3 * i])
  local slack = interval > 2 and 1 or interval / 2
  local tat = math.max(now, tonumber(redis.call('GET', key) or now) or now)
  local spare = now + burst * interval - tat
  local was = tat
  if spare < 0 then
    tat = tat + spare
    spare = 0
  end
  cells = math.min(cells, math.floor((spare + slack) / interval))
  tat = math.max(now, tat + cells * interval)
  if tat ~= was then
    local lives = math.min(math.ceil((tat - now) / 1000) + 1, 1e12)
    redis.call('SET', key, string.format('%.17g', tat), 'PX', string.format('%d', lives))
  end
  said[i] = string.format('%d %.3f', cells, tat - now)
end
return table.concat(said, ' ')
"""
SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
