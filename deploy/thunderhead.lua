-- HAProxy has no forward auth of its own: this action asks Thunderhead whether a request may pass. The block in
-- docs/OPERATIONS.md shows how it is used:
--
--   http-request lua.thunderhead ADDRESS DEMANDS
--
-- ADDRESS is Thunderhead's, as in 127.0.0.1:8000. DEMANDS is the query of its /forward-auth, or - for none. A request
-- that may pass has txn.thunderhead set to "passed", says who makes it, and bears no session cookie any more. Every other
-- one is answered here. Where this action breaks, nothing is set: HAProxy goes on then, so the next rule must deny what
-- has not passed.

-- How long an answer is waited for, in milliseconds. Thunderhead waits 1500 for its database.
local TIMEOUT = 5000

-- What says who makes a request: set by Thunderhead, and by nobody else.
local IDENTITY = {
    "x-user-id", "x-user-name", "x-user-staff", "x-session-id", "x-session-scopes",
    "x-auth-time", "x-auth-methods", "x-auth-level",
}

-- What of the client's headers Thunderhead is shown. What is told of the original request is not among them.
local SHOWN = {
    "authorization", "x-session-token", "cookie",
    "accept", "origin", "sec-fetch-site", "sec-fetch-mode",
    "upgrade", "sec-websocket-key", "sec-websocket-version",
    "x-request-id",
}

local SESSION_COOKIES = {
    ["__Host-thunderhead_session"] = true,
    ["thunderhead_session"] = true,
    ["__Secure-thunderhead_pass"] = true,
}

-- HAProxy counts a header's values from 0.
local function values_of(headers, name)
    local values = {}
    if headers[name] then
        for index = 0, #headers[name] do
            values[#values + 1] = headers[name][index]
        end
    end
    return values
end

local function question(txn)
    local headers, shown = txn.http:req_get_headers(), {}
    for _, name in ipairs(SHOWN) do
        local values = values_of(headers, name)
        if #values > 0 then
            shown[name] = values
        end
    end
    shown["x-forwarded-method"] = { txn.sf:method() }
    shown["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    shown["x-forwarded-host"] = values_of(headers, "host")
    local query = txn.f:query()
    shown["x-forwarded-uri"] = { txn.sf:path() .. (query and query ~= "" and "?" .. query or "") }
    return shown
end

-- Leaves the application the cookies that are its own.
local function hide_session(txn)
    local lines = values_of(txn.http:req_get_headers(), "cookie")
    txn.http:req_del_header("cookie")
    for _, line in ipairs(lines) do
        local kept = {}
        for pair in line:gmatch("[^;]+") do
            local name = pair:match("^%s*([^=]-)%s*=")
            if not (name and SESSION_COOKIES[name]) then
                kept[#kept + 1] = pair:match("^%s*(.-)%s*$")
            end
        end
        if #kept > 0 then
            txn.http:req_add_header("cookie", table.concat(kept, "; "))
        end
    end
end

local function let_pass(txn, answer)
    for _, name in ipairs(IDENTITY) do
        txn.http:req_del_header(name)
        local value = values_of(answer.headers, name)[1]
        if value then
            txn.http:req_set_header(name, value)
        end
    end
    hide_session(txn)
    txn:set_var("txn.thunderhead", "passed")
end

local function refuse(txn, status, answer)
    local headers = { ["cache-control"] = { "no-store" } }
    for _, name in ipairs({ "location", "www-authenticate", "retry-after" }) do
        local values = answer and values_of(answer.headers, name) or {}
        if #values > 0 then
            headers[name] = values
        end
    end
    if status == 503 and not headers["retry-after"] then
        headers["retry-after"] = { "1" }
    end
    txn:done(txn:reply({ status = status, headers = headers }))
end

core.register_action("thunderhead", { "http-req" }, function(txn, address, demands)
    local query = demands ~= "-" and "?" .. demands or ""
    local client = core.httpclient()
    local answer = client:get({
        url = "http://" .. address .. "/forward-auth" .. query,
        headers = question(txn),
        timeout = TIMEOUT,
    })
    local status = answer and answer.status
    if status == 204 then
        let_pass(txn, answer)
    elseif status == 302 or status == 401 or status == 403 then
        refuse(txn, status, answer)
    else
        refuse(txn, 503, answer)
    end
end, 2)
