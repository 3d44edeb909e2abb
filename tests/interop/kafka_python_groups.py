"""kafka-python in groups, also as it spoke to Kafka 0.9."""
import os
import sys

try:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import KafkaAdminClient, NewTopic
except ImportError:
    print("skipped: no python3-kafka here")
    sys.exit(77)

PLAIN = os.environ["KT_PLAIN"]
MESSAGES = 400
PARTITIONS = 4


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


def read(group, expected, **options):
    """A member of group reads what is left for it, and commits."""
    consumer = KafkaConsumer(
        "topic", bootstrap_servers=PLAIN, group_id=group,
        auto_offset_reset="earliest", enable_auto_commit=False,
        consumer_timeout_ms=30000 if expected else 4000, **options)
    values = []
    for message in consumer:
        values.append(message.value)
        if expected and len(values) == expected:
            break
    consumer.commit()
    offsets = [consumer.committed(TopicPartition("topic", p))
               for p in range(PARTITIONS)]
    consumer.close()
    check(len(values) == expected,
          f"{group}: {len(values)} messages, not {expected}")
    return values, offsets


admin = KafkaAdminClient(bootstrap_servers=PLAIN)
admin.create_topics([NewTopic("topic", PARTITIONS, 1)])
producer = KafkaProducer(bootstrap_servers=PLAIN)
sent = [b"%d" % i for i in range(MESSAGES)]
for value in sent:
    producer.send("topic", value)
producer.flush()

for group, options in (("new", {}), ("old", {"api_version": (0, 9)})):
    values, offsets = read(group, MESSAGES, **options)
    check(sorted(values) == sorted(sent), f"{group}: other messages")
    check(sum(offsets) == MESSAGES, f"{group}: committed {offsets}")
    read(group, 0, **options)
    print(f"{group}: all read once, and no more after that")

check(("new", "consumer") in admin.list_consumer_groups(), "not listed")
described = admin.describe_consumer_groups(["new"])[0]
check(described.state == "Empty", f"described as {described}")
offsets = admin.list_consumer_group_offsets("new")
check(sum(o.offset for o in offsets.values()) == MESSAGES,
      f"offsets {offsets}")
errors = admin.delete_consumer_groups(["new"])
check(errors[0][1].errno == 0, f"deleting: {errors}")
check(("new", "consumer") not in admin.list_consumer_groups(), "still listed")
print("listed, described and deleted")
