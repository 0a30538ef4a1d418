#!/bin/sh
# Checks or ends sessions on each server in turn, three times over: measure.sh check|end CLIENTS
# Where they are: THUNDERHEAD, KRATOS, BETTER_AUTH (127.0.0.1:PORT); those that are not named are left out.
# Tells for each what was answered in a second, and the p99 in milliseconds. Nothing may be refused.
set -eu
folder=$(dirname "$0")
requests=$(mktemp)
trap 'rm -f "$requests"' EXIT

measure() { # name, address, a request with & in place of the token
    [ -n "$2" ] || return 0
    seq -f %032.0f "$first" "$last" | sed "s|.*|$3|" >"$requests"
    wrk -t1 -c"$clients" -d3s -s "$folder/../src/wrk.lua" "http://$2" -- "$requests" |
        awk -v name="$1" '/^FIGURES/ { printf "%s: %.0f/s, p99 %.1f ms, %d refused\n", name, $2 / $3 * 1e6, $5 / 1e3, $7 + $8 }'
}

clients=$2
for round in 1 2 3; do
    case $1 in
    check)
        first=60001 last=70000
        measure Thunderhead "${THUNDERHEAD-}" 'GET\t/api/users/me\t&\t'
        measure Kratos "${KRATOS-}" 'GET\t/sessions/whoami\tBearer ory_st_&\t'
        measure better-auth "${BETTER_AUTH-}" 'GET\t/api/auth/get-session\tBearer &\t'
        ;;
    end)
        first=$((round * 20000 - 19999)) last=$((round * 20000))
        measure Thunderhead "${THUNDERHEAD-}" 'DELETE\t/api/users/me/sessions/me\t&\t'
        measure Kratos "${KRATOS-}" 'DELETE\t/self-service/logout/api\t\t{"session_token":"ory_st_&"}'
        measure better-auth "${BETTER_AUTH-}" 'POST\t/api/auth/sign-out\tBearer &\t{}'
        ;;
    esac
done
