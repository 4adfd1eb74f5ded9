"""The other side of the tests of topics: clients of a Kafka broker, and a broker that stands in for a cluster.

    peer.py mock BROKERS                             runs until its input ends; tells where it listens
    peer.py create BROKER TOPIC PARTITIONS
    peer.py produce BROKER TOPIC [KEY=VALUE ...]     a JSON object a line: {"partition": 0, "value": "..."}
    peer.py committed BROKER GROUP TOPIC PARTITIONS  tells the offsets as JSON
    peer.py commit BROKER GROUP TOPIC PARTITION OFFSET
    peer.py join BROKER GROUP TOPIC [COUNT]          a member that reads and commits; tells each share, then each record

A key with its value is a setting of the client.
"""

import json
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def tell(value):
    print(json.dumps(value), flush=True)


def mock(brokers):
    producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": int(brokers), "log_level": 0})
    found = producer.list_topics(timeout=10).brokers.values()
    tell([f"{broker.host}:{broker.port}" for broker in found])
    sys.stdin.read()


def create(broker, topic, partitions):
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.create_topics([NewTopic(topic, int(partitions), 1)]).values():
        done.result(30)


def produce(broker, topic, *settings):
    settings = dict(setting.split("=", 1) for setting in settings)
    transaction = settings.pop("transaction", None)
    config = {"bootstrap.servers": broker, "linger.ms": 50, "message.timeout.ms": 30000, **settings}
    if transaction:
        config["transactional.id"] = transaction
    producer = Producer(config)
    failed = []
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
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
    if transaction:
        producer.flush(60)
        (producer.abort_transaction if transaction.startswith("abort") else producer.commit_transaction)(30)
    if producer.flush(60) or failed:
        raise SystemExit(f"not produced: {failed[:1]}")


def committed(broker, group, topic, partitions):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group})
    found = consumer.committed([TopicPartition(topic, n) for n in range(int(partitions))], 30)
    tell([part.offset for part in found])
    consumer.close()


def commit(broker, group, topic, partition, offset):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, int(partition), int(offset))], asynchronous=False)
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


if __name__ == "__main__":
    _, command, *arguments = sys.argv
    {"mock": mock, "create": create, "produce": produce, "committed": committed, "commit": commit, "join": join}[command](
        *arguments
    )
