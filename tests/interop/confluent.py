"""confluent_kafka produces and consumes over both listeners."""
import os
import sys

try:
    from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError,
                                 Producer, TopicPartition)
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError:
    print("skipped: no python3-confluent-kafka here")
    sys.exit(77)

MESSAGES = 500
LISTENERS = {
    "plain": {"bootstrap.servers": os.environ["KT_PLAIN"]},
    "ssl": {
        "bootstrap.servers": os.environ["KT_SSL"],
        "security.protocol": "ssl",
        "ssl.ca.location": os.environ["KT_CA"],
    },
}


def message(i):
    key = None if i % 5 == 0 else b"k%d" % (i % 10)
    value = None if i % 13 == 4 else (b"%d-" % i) * (i % 50 + 1)
    headers = [("n", b"%d" % i), ("null", None), ("n", b"")] if i % 2 else []
    return key, value, headers


def create(admin, topic):
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(30)


def produce(listener, topic, **options):
    failed = []
    producer = Producer({**LISTENERS[listener], **options})
    for i in range(MESSAGES):
        key, value, headers = message(i)
        producer.produce(
            topic, key=key, value=value, headers=headers, partition=0,
            on_delivery=lambda err, _: failed.append(err) if err else None)
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failed, failed[0]


def consume(listener, topic):
    consumer = Consumer({
        **LISTENERS[listener], "group.id": "unused",
        "enable.auto.commit": False, "check.crcs": True})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    i = 0
    while i < MESSAGES:
        got = consumer.poll(30)
        assert got is not None, f"no message {i}"
        if got.error():
            # A broker without groups says so; records come all the same.
            assert got.error().code() in (
                KafkaError._PARTITION_EOF, KafkaError._UNSUPPORTED_FEATURE,
                KafkaError.COORDINATOR_NOT_AVAILABLE), got.error()
            continue
        key, value, headers = message(i)
        assert got.offset() == i
        assert (got.key(), got.value()) == (key, value), i
        assert (got.headers() or []) == headers, (i, got.headers())
        i += 1
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0))
    assert (low, high) == (0, MESSAGES)
    consumer.close()


def main():
    admin = AdminClient(LISTENERS["ssl"])
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        for listener, other in (("plain", "ssl"), ("ssl", "plain")):
            topic = f"confluent-{codec}-{listener}"
            create(admin, topic)
            produce(listener, topic, **{"compression.type": codec})
            consume(other, topic)
            print(f"{codec} over {listener}: the same bytes over {other}")
    create(admin, "confluent-idempotent")
    produce("ssl", "confluent-idempotent", **{"enable.idempotence": True})
    consume("plain", "confluent-idempotent")
    print("idempotent: the same bytes")
    topics = admin.list_topics(timeout=30).topics
    assert "confluent-idempotent" in topics
    for future in admin.delete_topics(["confluent-idempotent"]).values():
        future.result(30)


main()
# Version 1.7 loses a reference to None with each null header value, which
# kills the interpreter when it ends by itself.
sys.stdout.flush()
os._exit(0)
