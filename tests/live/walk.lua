-- For wrk: walks the paths of nginx.conf.
local number = 0
local paths = { "/v1/accounts", "/v1/accounts/%d", "/v1/accounts/%d/transactions", "/v1/payments/%d", "/v1/cards/%d" }

function request()
    number = number + 1
    local path = paths[number % #paths + 1]:format(100000 + number * 7919 % 900000)
    return wrk.format("GET", path, { ["Host"] = "api.shop.example", ["Authorization"] = "Bearer 0123456789abcdef0123456789abcdef" })
end

-- Ends with an answered request, long before its time is up: so the wire and the server's log tell the same.
local answers = 0

function response()
    answers = answers + 1
    if answers == 1000 then
        wrk.thread:stop()
    end
end
