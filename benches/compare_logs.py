"""Writes the access log of a bank's API, the same from the same seed: `compare_logs.py LINES COMBINED JSON`.

Both files tell the same requests, one a line: nginx's combined format, and its `log_format escape=json`. About 200
operations, the popular ones far more often than the rest; 5,000 clients, each with an agent and accounts of its own;
ids as numbers, UUIDs, hexadecimal, IBANs and short codes, most of them fresh; queries with pages, dates and filters;
refusals and errors. Some 500 requests a second, so that several share their second.
"""

import itertools
import random
import sys
import time

CLIENTS = 5_000
ACCOUNTS = 20_000
SECOND = 500

SERVICES = {
    "accounts": ["", "/{account}", "/{account}/balances", "/{account}/transactions", "/{account}/statements",
                 "/{account}/statements/{number}", "/{account}/standing-orders", "/{account}/direct-debits",
                 "/{account}/beneficiaries", "/{account}/transactions/{uuid}", "/{account}/limits",
                 "/{account}/holders/{number}"],
    "payments": ["", "/{uuid}", "/{uuid}/status", "/{uuid}/details", "/domestic", "/domestic/{uuid}",
                 "/international", "/international/{uuid}", "/scheduled", "/scheduled/{uuid}", "/batches/{number}",
                 "/batches/{number}/items"],
    "cards": ["", "/{hex}", "/{hex}/limits", "/{hex}/transactions", "/{hex}/block", "/{hex}/pin", "/{hex}/controls",
              "/tokens/{hex}", "/products/{code}", "/disputes/{number}"],
    "customers": ["/{number}", "/{number}/profile", "/{number}/addresses", "/{number}/documents",
                  "/{number}/documents/{uuid}", "/{number}/consents", "/{number}/devices/{hex}", "/me",
                  "/me/preferences", "/me/notifications"],
    "iban": ["/{iban}/validate", "/{iban}/owner", "/banks/{code}", "/banks/{code}/branches"],
    "loans": ["", "/{number}", "/{number}/schedule", "/{number}/payments", "/offers", "/offers/{uuid}", "/calculator"],
    "rates": ["/fx/{code}", "/fx/{code}/history", "/interest", "/interest/{code}"],
    "auth": ["/token", "/introspect", "/revoke", "/userinfo", "/sessions/{hex}", "/challenges/{uuid}"],
    "search": ["/branches", "/atms", "/transactions", "/merchants/{number}"],
}
QUERIES = ["page={page}&limit=50", "fromBookingDate={date}&toBookingDate={date}", "limit=100&cursor={hex}",
           "status=booked&page={page}", "currency=EUR", "lang=de", "fields=id,amount,date&sort=-date&limit=25",
           "lat=50.1109&lon=8.6821&radius={page}", "q=coffee&page={page}"]
AGENTS = (
    [f"MobileBank/{v}.{w} (iPhone; iOS 17.{w}; Scale/3.00)" for v in range(4, 8) for w in range(5)]
    + [f"okhttp/4.{v}.0" for v in range(6, 13)]
    + [f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36"
       for v in range(110, 127)]
    + [f"Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0" for v in range(115, 125)]
    + ["python-requests/2.31.0", "curl/8.5.0", "Apache-HttpClient/4.5.14 (Java/17.0.9)", "PostmanRuntime/7.36.0"]
)
CODES = ["USD", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "AUD", "CAD"]


def operations(rng):
    """Methods and path templates with their weights."""
    found = []
    for version in ("v1", "v2"):
        for service, tails in SERVICES.items():
            for tail in tails:
                found.append(("GET", f"/{version}/{service}{tail}"))
                if rng.random() < 0.5:
                    found.append((rng.choice(["POST", "PUT", "PATCH", "DELETE"]), f"/{version}/{service}{tail}"))
    rng.shuffle(found)
    found = found[:200]
    return found, list(itertools.accumulate(1 / (rank + 3) for rank in range(len(found))))


def ids(rng):
    """What fills each place of a template, given a client's accounts."""
    def iban():
        digits = f"37040044{rng.randrange(10**10):010d}"
        check = 98 - int(digits + "131400") % 97
        return f"DE{check:02d}{digits}"

    def uuid():
        text = f"{rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    return {
        "account": lambda accounts: rng.choice(accounts),
        "number": lambda _: str(rng.randrange(10**4, 10**8)),
        "uuid": lambda _: uuid(),
        "hex": lambda _: f"{rng.getrandbits(64):016x}",
        "iban": lambda _: iban(),
        "code": lambda _: rng.choice(CODES),
        "page": lambda _: str(rng.randrange(1, 12)),
        "date": lambda _: f"2026-0{rng.randrange(1, 4)}-{rng.randrange(10, 29)}",
    }


def compiled(text, makers):
    """Constants and makers of a template, in turn."""
    pieces = []
    for at, piece in enumerate(text.replace("}", "{").split("{")):
        pieces.append(makers[piece] if at % 2 else piece)
    return pieces


def filled(pieces, accounts):
    return "".join(piece if isinstance(piece, str) else piece(accounts) for piece in pieces)


def main(lines, combined, as_json):
    rng = random.Random(20260415)
    makers = ids(rng)
    numbers = [f"{rng.randrange(10**12):012d}" for _ in range(ACCOUNTS)]
    clients = [
        (f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}", rng.choice(AGENTS),
         rng.sample(numbers, rng.randrange(1, 5)))
        for _ in range(CLIENTS)
    ]
    client_weights = list(itertools.accumulate(1 / (rank + 50) for rank in range(CLIENTS)))
    found, weights = operations(rng)
    found = [(method, compiled(path, makers)) for method, path in found]
    queries = [compiled(query, makers) for query in QUERIES]
    statuses = {"GET": [200] * 90 + [304] * 3 + [404] * 3 + [401] * 2 + [403, 500],
                "POST": [201] * 88 + [200] * 4 + [400] * 5 + [422, 401, 503]}
    start = 1_776_211_200
    with open(combined, "w") as plain, open(as_json, "w") as nested:
        for first in range(0, lines, SECOND):
            now = time.gmtime(start + first // SECOND)
            local = time.strftime("%d/%b/%Y:%H:%M:%S +0000", now)
            iso = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", now)
            here = min(SECOND, lines - first)
            asked = rng.choices(found, cum_weights=weights, k=here)
            asking = rng.choices(clients, cum_weights=client_weights, k=here)
            for (method, path), (address, agent, accounts) in zip(asked, asking):
                target = filled(path, accounts)
                if method == "GET" and rng.random() < 0.35:
                    target += "?" + filled(rng.choice(queries), accounts)
                status = rng.choice(statuses["GET" if method == "GET" else "POST"])
                size = 0 if status == 304 else rng.randrange(40, 9_000)
                took = rng.randrange(2, 400)
                plain.write(f'{address} - - [{local}] "{method} {target} HTTP/1.1" {status} {size} "-" "{agent}"\n')
                nested.write(
                    f'{{"time":"{iso}","remote_addr":"{address}","host":"api.bank.example","request_method":"{method}",'
                    f'"request_uri":"{target}","server_protocol":"HTTP/1.1","status":{status},"body_bytes_sent":{size},'
                    f'"request_time":0.{took:03d},"upstream_response_time":"0.{took - 1:03d}","http_referer":"",'
                    f'"http_user_agent":"{agent}","request_id":"{rng.getrandbits(128):032x}"}}\n')


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
