"""Calls the API of nginx.conf over keep-alive connections.

Usage: client.py REQUESTS CONNECTIONS RATE ADDRESS...

Makes so many requests over so many connections, spread over the addresses, at RATE requests a second in all (0: as
fast as they are answered). The requests follow from their number alone. Ends early on SIGTERM, with the
requests under way answered. Prints how many were answered.
"""

import http.client
import itertools
import signal
import sys
import threading
import time

requests, connections, rate = (int(argument) for argument in sys.argv[1:4])
addresses = sys.argv[4:]

HOST = "api.shop.example"
PAYMENT = '{"amount":"99.95","creditor":{"iban":"FR1420041010050500013M02606"},"reference":"invoice %d"}'
CALLS = [
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/{id}"),
    ("GET", "/v1/accounts/{id}"),
    ("GET", "/v1/accounts/{id}/transactions"),
    ("POST", "/v1/payments"),
    ("GET", "/v1/payments/{id}"),
    ("DELETE", "/v1/payments/{id}"),
    ("GET", "/v1/cards/{id}"),
    ("PUT", "/v1/cards/{id}"),
    ("GET", "/health"),
]

numbers = itertools.count()
stopped = threading.Event()
answered = [0] * connections
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
began = time.monotonic()


def call(connection: http.client.HTTPConnection, number: int) -> None:
    method, path = CALLS[number % len(CALLS)]
    headers = {"Host": HOST, "User-Agent": "shop-client/1.0"}
    if path != "/health":
        # Five callers, by credentials that say nothing.
        headers["Authorization"] = "Bearer %s" % ("abcdef0123456789" * 3)[number % 5 :][:32]
    body = None
    if method in ("POST", "PUT"):
        headers["Content-Type"] = "application/json"
        body = PAYMENT % number
    path = path.replace("{id}", str(100_000 + number * 7_919 % 900_000))
    connection.request(method, path, body, headers)
    connection.getresponse().read()


def work(worker: int) -> None:
    connection = http.client.HTTPConnection(addresses[worker % len(addresses)], 80, timeout=20)
    while not stopped.is_set() and (number := next(numbers)) < requests:
        if rate and (early := began + number / rate - time.monotonic()) > 0 and stopped.wait(early):
            break
        call(connection, number)
        answered[worker] += 1
    connection.close()


workers = [threading.Thread(target=work, args=(worker,)) for worker in range(connections)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(sum(answered))
