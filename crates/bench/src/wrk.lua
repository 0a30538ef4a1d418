-- Sends the requests of a file, one after the other, over and over: a line is method, path, token, body and, if it comes
-- through a proxy, the client's address, divided by tabs. Each thread begins elsewhere. At the end one line says what was
-- seen.

local count = 0

function setup(thread)
    thread:set("number", count)
    count = count + 1
end

function init(arguments)
    requests = {}
    for line in io.lines(arguments[1]) do
        local method, path, token, body, client = line:match("^(.-)\t(.-)\t(.-)\t([^\t]*)\t?(.*)$")
        local headers = { ["Host"] = wrk.headers["Host"] }
        if token ~= "" then headers["Authorization"] = token end
        if client ~= "" then headers["X-Forwarded-For"] = client end
        if body ~= "" then headers["Content-Type"] = "application/json" end
        requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
    -- 1/φ of the file apart, so that threads do not follow each other.
    at = math.floor(number * 0.618 * #requests) % #requests
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        "FIGURES %d %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), latency.max, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
