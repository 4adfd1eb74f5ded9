"""The site, the callers and the check of compare.sh.

    compare_site.py site DIR            writes the files that nginx serves
    compare_site.py call ADDRESS MIB    calls them until the capture is about MIB big
    compare_site.py check LOG JSONL     compares the server's log with `spanlight analyze --transactions`

Everything follows from one seed: the same site, and the same requests in the same order on each connection.
"""

import collections
import json
import random
import socket
import sys
import threading
from pathlib import Path

SEED = 20_261_101
ACCOUNTS = 400
CONNECTIONS = 16
FIRST = "Ada Ben Cleo Dev Elin Femi Gita Hugo Ines Jun Kaya Lars Mona Nils Olga Piet Rosa Sami Tove Yara".split()
LAST = "Adler Berg Costa Dahl Evans Fox Grimm Holt Iqbal Jansen Kohl Lund Meyer Novak Okoye Patel".split()


def iban(rng: random.Random) -> str:
    """A German IBAN with right check digits, of an account that does not exist."""
    number = f"{rng.randrange(10**8):08}{rng.randrange(10**10):010}"
    return f"DE{98 - int(number + '131400') % 97:02}{number}"


def account(rng: random.Random, number: int) -> dict:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    return {
        "AccountId": f"{22_289_000 + number}",
        "Currency": rng.choice(["EUR", "GBP", "SEK"]),
        "AccountType": "Personal",
        "AccountSubType": rng.choice(["CurrentAccount", "Savings", "CreditCard"]),
        "OpeningDate": f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
        "Account": [{"SchemeName": "UK.OBIE.IBAN", "Identification": iban(rng), "Name": name}],
        "Owner": {"Name": name, "EmailAddress": name.lower().replace(" ", ".") + "@mail.example", "Phone": f"+4915{rng.randrange(10**9):09}"},
    }


def transaction(rng: random.Random) -> dict:
    return {
        "TransactionId": f"{rng.getrandbits(64):016x}",
        "CreditDebitIndicator": rng.choice(["Debit", "Credit"]),
        "Status": "Booked",
        "BookingDateTime": f"2026-{rng.randrange(1, 11):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:00+00:00",
        "Amount": {"Amount": f"{rng.randrange(1, 900_000) / 100:.2f}", "Currency": "EUR"},
        "CreditorAccount": {"SchemeName": "UK.OBIE.IBAN", "Identification": iban(rng), "Name": f"{rng.choice(FIRST)} {rng.choice(LAST)}"},
        "TransactionInformation": f"Invoice {rng.randrange(10**6)} of {rng.choice(LAST)} and sons",
        "BankTransactionCode": {"Code": "ReceivedCreditTransfer", "SubCode": "DomesticCreditTransfer"},
    }


def site(folder: Path) -> None:
    rng = random.Random(SEED)
    everyone = [account(rng, number) for number in range(ACCOUNTS)]
    pages = {"v1/overview": {"Data": {"Account": everyone[:12]}}, "v1/status": {"status": "up", "version": "1.42.0"}}
    for entry in everyone:
        below = f"v1/accounts/{entry['AccountId']}"
        amount = {"Amount": f"{rng.randrange(10**7) / 100:.2f}", "Currency": entry["Currency"]}
        pages[f"{below}/detail"] = {"Data": {"Account": [entry]}}
        pages[f"{below}/balances"] = {"Data": {"Balance": [{"Type": "InterimAvailable", "Amount": amount}]}}
        pages[f"{below}/transactions"] = {"Data": {"Transaction": [transaction(rng) for _ in range(rng.randrange(2, 24))]}}
    for path, page in pages.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(page, separators=(",", ":")))


def requests(rng: random.Random):
    """Requests of one caller, without end."""
    head = (
        "Host: api.bench.example\r\nUser-Agent: bench-client/2.1\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {rng.getrandbits(192):048x}\r\n"
    )
    while True:
        traced = f"{head}x-fapi-interaction-id: {rng.getrandbits(128):032x}\r\n"
        kind = rng.randrange(20)
        if kind < 2:
            body = json.dumps({"Data": {"Initiation": transaction(rng)}})
            yield f"POST /v1/payments HTTP/1.1\r\n{traced}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            continue
        number = 22_289_000 + rng.randrange(ACCOUNTS)
        path = {2: "/v1/overview", 3: "/v1/status", 4: "/v1/nothing/here"}.get(kind)
        path = path or f"/v1/accounts/{number}/" + ("detail" if kind < 8 else "balances" if kind < 11 else "transactions")
        yield f"GET {path} HTTP/1.1\r\n{traced}\r\n"


def call(address: str, mib: int) -> None:
    share = mib * 1_048_576 // CONNECTIONS
    threads = [threading.Thread(target=converse, args=(address, number, share)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def converse(address: str, number: int, share: int) -> None:
    """One connection, one request at a time, until its bytes with those of the packets' heads reach its share."""
    spent = 0
    with socket.create_connection((address, 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests(random.Random(SEED + number)):
            connection.sendall(request.encode())
            answer = connection.recv(65_536)
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            missing = length - len(body)
            while missing > 0:
                piece = connection.recv(65_536)
                if not piece:
                    raise ConnectionError("the server closed in the middle of an answer")
                missing -= len(piece)
            # A capture spends 16 bytes of its own and 66 of headers a packet; every second is acknowledged.
            told = len(request) + len(head) + 4 + length
            spent += told + 82 * (2 + told // 965)
            if spent >= share:
                return


def check(log: Path, found: Path) -> None:
    served = collections.Counter(log.read_text().splitlines())
    seen: collections.Counter = collections.Counter()
    with found.open() as lines:
        for line in lines:
            row = json.loads(line)
            seen[f"{row['method']} {row['path']} {row['status']} {row['response_body_len']}"] += 1
    missing, surplus = served - seen, seen - served
    print(
        f"\nspanlight and the server's log, by method, path, status and length: {served.total():,} served,"
        f" {missing.total():,} missing, {surplus.total():,} that were not served"
    )
    for what, rows in (("missing", missing), ("surplus", surplus)):
        for row, count in rows.most_common(3):
            print(f"  {what}: {row} ({count} times)")
    sys.exit(1 if missing or surplus else 0)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["site", folder]:
            site(Path(folder))
        case ["call", address, mib]:
            call(address, int(mib))
        case ["check", log, found]:
            check(Path(log), Path(found))
        case _:
            sys.exit(__doc__)
