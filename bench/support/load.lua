-- Payloads of many sessions and contents, made before the load begins, so that the generator does
-- as little as possible for each request. ARGUMENTS: tokens, contents, path.
local requests = {}
local count = 0
local at = 0
local seed = 0

function setup(thread)
  thread:set("threadSeed", seed)
  seed = seed + 1
end

function init(args)
  local tokens = tonumber(args[1])
  local contents = tonumber(args[2])
  math.randomseed(os.time() + (threadSeed or 0))
  for i = 1, tokens do
    local token = string.format("%08x-%04x-4%03x-a%03x-%012x", math.random(0, 0x7fffffff),
      math.random(0, 0xffff), math.random(0, 0xfff), math.random(0, 0xfff),
      math.random(0, 0x7fffffff))
    -- A square of a uniform number favours the first contents, as viewers do.
    local content = math.floor(contents * math.random() ^ 2)
    local body = string.format(
      '{"token": "%s", "customer": "Customer%d", "content": "channel%d", "timespan": 30000, ' ..
      '"p2p": %d, "cdn": %d, "sessionDuration": %d}', token, content % 20, content,
      math.random(0, 20000000), math.random(0, 20000000), 30000 * math.random(0, 200))
    requests[i] = wrk.format("POST", wrk.path, { ["Content-Type"] = "application/json" }, body)
  end
  count = tokens
end

function request()
  at = at + 1
  if at > count then at = 1 end
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"failed":%d,"p50":%d,"p99":%d,"p999":%d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
