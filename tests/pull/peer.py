"""The other side of the tests of topics: clients of a Kafka broker, and a broker that stands in for a cluster.

    peer.py mock BROKERS                             runs until its input ends; tells where it listens
    peer.py create BROKER TOPIC PARTITIONS [KEY=VALUE ...]
    peer.py produce BROKER TOPIC [KEY=VALUE ...]     a JSON object a line: {"partition": 0, "value": "..."}
    peer.py committed BROKER GROUP TOPIC PARTITIONS  tells the offsets as JSON
    peer.py gate FOLDER PORT BROKER MECHANISM USER PASSWORD
                                                     stands before a broker: asks for TLS, a name and a password; puts the
                                                     certificate to trust into FOLDER
    peer.py join BROKER GROUP TOPIC [COUNT]          a member that reads and commits; tells each share, then each record

A key with its value is a setting of the client.
"""

import base64
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import socket
import ssl
import struct
import sys
import threading

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def tell(value):
    print(json.dumps(value), flush=True)


def mock(brokers):
    producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": int(brokers), "log_level": 0})
    found = producer.list_topics(timeout=10).brokers.values()
    tell([f"{broker.host}:{broker.port}" for broker in found])
    sys.stdin.read()


def create(broker, topic, partitions, *settings):
    admin = AdminClient({"bootstrap.servers": broker, **dict(setting.split("=", 1) for setting in settings)})
    for done in admin.create_topics([NewTopic(topic, int(partitions), 1)]).values():
        done.result(30)


def produce(broker, topic, *settings):
    settings = dict(setting.split("=", 1) for setting in settings)
    config = {"bootstrap.servers": broker, "linger.ms": 50, "message.timeout.ms": 30000, **settings}
    producer = Producer(config)
    failed = []
    for line in sys.stdin:
        record = json.loads(line)
        value = record["value"]
        value = value.encode() if value is not None else None
        while True:
            try:
                producer.produce(
                    topic, value, partition=record["partition"], on_delivery=lambda error, _: error and failed.append(error)
                )
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60) or failed:
        raise SystemExit(f"not produced: {failed[:1]}")


def committed(broker, group, topic, partitions):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group})
    found = consumer.committed([TopicPartition(topic, n) for n in range(int(partitions))], 30)
    tell([part.offset for part in found])
    consumer.close()


def join(broker, group, topic, count="0"):
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 10000,
            "heartbeat.interval.ms": 1000,
        }
    )
    consumer.subscribe([topic], on_assign=lambda _, parts: tell({"share": [part.partition for part in parts]}))
    count = int(count)
    while True:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        tell({"partition": message.partition(), "offset": message.offset(), "value": message.value().decode()})
        consumer.commit(message, asynchronous=False)
        count -= 1
        if count == 0:
            break
    consumer.close()


def certify(folder):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker of a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "ca.pem").write_bytes(cert.public_bytes(pem))


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frame(connection):
    return exactly(connection, struct.unpack(">i", exactly(connection, 4))[0])


def send(connection, data):
    connection.sendall(struct.pack(">i", len(data)) + data)


def scram(name, user, password):
    """What a server says in a conversation of SCRAM (RFC 5802): yields answers, is sent messages."""

    def sign(key, data):
        return hmac.digest(key, data.encode(), name)

    first = (yield).decode().removeprefix("n,,")
    given, nonce = first.removeprefix("n=").split(",r=")
    nonce += base64.b64encode(os.urandom(12)).decode()
    salt = os.urandom(16)
    challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i=4096"
    last, proof = (yield challenge.encode()).decode().split(",p=")
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, 4096)
    said = f"{first},{challenge},{last}"
    client = sign(salted, "Client Key")
    expected = bytes(a ^ b for a, b in zip(client, sign(hashlib.new(name, client).digest(), said)))
    if given != user or last != f"c=biws,r={nonce}" or base64.b64decode(proof) != expected:
        yield b"e=invalid-proof"
    yield b"v=" + base64.b64encode(sign(sign(salted, "Server Key"), said))


def plain(user, password):
    shown = yield
    yield b"" if shown == f"\0{user}\0{password}".encode() else None


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def admit(client, broker, mechanism, user, password):
    conversation = None
    while True:
        request = frame(client)
        key, version, number = struct.unpack(">hhi", request[:8])
        body = request[10 + struct.unpack(">h", request[8:10])[0] :]
        if key == 18:
            send(broker, request)
            send(client, frame(broker))
        elif key == 17:
            asked = body[2:].decode()
            code = 0 if asked == mechanism else 33
            send(client, struct.pack(">ihih", number, code, 1, len(mechanism)) + mechanism.encode())
            hashes = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
            conversation = scram(hashes[asked], user, password) if asked in hashes else plain(user, password)
            next(conversation)
        elif key == 36:
            answer = conversation.send(body[4:])
            code = 58 if answer is None else 0
            answer = answer or b""
            lifetime = bytes(8) if version else b""
            send(client, struct.pack(">ihhi", number, code, -1, len(answer)) + answer + lifetime)
            if code or answer.startswith(b"e="):
                raise EOFError
            if mechanism == "PLAIN" or answer.startswith(b"v="):
                return
        else:
            raise EOFError("who are you?")


def gate(folder, port, broker, mechanism, user, password):
    folder = pathlib.Path(folder)
    certify(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    host, broker_port = broker.split(":")

    def serve(raw):
        try:
            client = context.wrap_socket(raw, server_side=True)
            upstream = socket.create_connection((host, int(broker_port)))
            admit(client, upstream, mechanism, user, password)
        except (OSError, EOFError):
            raw.close()
            return
        threading.Thread(target=pump, args=(client, upstream), daemon=True).start()
        pump(upstream, client)

    listener = socket.create_server(("127.0.0.1", int(port)))
    tell("listening")
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    _, command, *arguments = sys.argv
    globals()[command](*arguments)
