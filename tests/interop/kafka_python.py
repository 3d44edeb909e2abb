"""kafka-python produces and consumes over both listeners."""
import os
import sys

try:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import KafkaAdminClient, NewTopic
except ImportError:
    print("skipped: no python3-kafka here")
    sys.exit(77)

MESSAGES = 500
LISTENERS = {
    "plain": {"bootstrap_servers": os.environ["KT_PLAIN"]},
    "ssl": {
        "bootstrap_servers": os.environ["KT_SSL"],
        "security_protocol": "SSL",
        "ssl_cafile": os.environ["KT_CA"],
    },
}
# What codecs this Python can make.
CODECS = [None, "gzip"]
for codec, module in (("snappy", "snappy"), ("lz4", "lz4.frame"),
                      ("zstd", "zstandard")):
    try:
        __import__(module)
        CODECS.append(codec)
    except ImportError:
        print(f"without {codec}: Python has no {module}")


def message(i):
    """Key, value and headers of message i; None among each."""
    key = None if i % 5 == 0 else b"k%d" % (i % 10)
    value = None if i % 13 == 4 else (b"%d-" % i) * (i % 50)
    headers = [("n", b"%d" % i), ("empty", b"")] if i % 2 else []
    return key, value, headers


def produce(listener, topic, codec, acks, api_version=None):
    options = dict(LISTENERS[listener], compression_type=codec, acks=acks,
                   linger_ms=2)
    if api_version:
        options["api_version"] = api_version
    producer = KafkaProducer(**options)
    sent = []
    for i in range(MESSAGES):
        key, value, headers = message(i)
        if key is None and value is None:
            value = b""
        if api_version and api_version < (0, 11):
            headers = []
        sent.append(producer.send(topic, key=key, value=value,
                                  headers=headers, partition=0))
    producer.flush()
    if acks != 0:
        offsets = [f.get(timeout=30).offset for f in sent]
        assert offsets == list(range(MESSAGES)), offsets
    producer.close()


def consume(listener, topic, with_headers=True):
    consumer = KafkaConsumer(
        **LISTENERS[listener], group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", consumer_timeout_ms=30000)
    part = TopicPartition(topic, 0)
    consumer.assign([part])
    consumer.seek_to_beginning(part)
    assert consumer.end_offsets([part])[part] == MESSAGES
    for i in range(MESSAGES):
        got = next(consumer)
        key, value, headers = message(i)
        if key is None and value is None:
            value = b""
        assert got.offset == i
        assert (got.key, got.value) == (key, value), (i, got)
        if with_headers:
            assert list(got.headers) == headers, (i, got)
    consumer.close()


def main():
    admin = KafkaAdminClient(**LISTENERS["plain"])
    for codec in CODECS:
        for listener, other in (("plain", "ssl"), ("ssl", "plain")):
            topic = f"kafka-python-{codec}-{listener}"
            admin.create_topics([NewTopic(topic, 1, 1)])
            produce(listener, topic, codec, "all")
            consume(other, topic)
            print(f"{codec} over {listener}: the same bytes over {other}")
    for acks in (0, 1):
        topic = f"kafka-python-acks-{acks}"
        admin.create_topics([NewTopic(topic, 1, 1)])
        produce("plain", topic, None, acks)
        consume("plain", topic)
        print(f"acks {acks}: the same bytes")
    # A client of old: message format 1 on the wire.
    topic = "kafka-python-old"
    admin.create_topics([NewTopic(topic, 1, 1)])
    produce("plain", topic, "gzip", 1, api_version=(0, 10, 2))
    consume("ssl", topic, with_headers=False)
    print("a producer of 0.10.2: the same bytes")
    assert topic in admin.list_topics()
    admin.delete_topics([topic])
    admin.close()


main()
