# What compaction leaves behind is a log to Kafka, and Kafka's to it: records
# with and without transactions, written by Kafka and by kbroker, compacted
# by both in turns on one log dir.
. "$(dirname "$0")/common.sh"
need_peer
need kcat
PYTHON=/usr/bin/python3
[ -x $PYTHON ] && $PYTHON -c 'import confluent_kafka' 2>/dev/null || skip "no confluent_kafka"

cd "$KT_DIR"
TOPICS="plain txns"
stop_broker "$KT_PID"
cat >>"$KT_PROPERTIES" <<END
log.cleaner.backoff.ms=100
log.cleaner.min.cleanable.ratio=0.01
log.cleaner.delete.retention.ms=1
log.segment.delete.delay.ms=100
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
END

pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true' EXIT
start_kafka() {
	"$PEER" broker "$KT_PROPERTIES" "$@" >>kafka.log 2>&1 &
	pid=$!
	until_true 60 answers
	# For a moment after its start Kafka knows no topic.
	for t in $TOPICS; do
		[ ! -d "$KT_DATA/$t-0" ] || until_true 60 has_topic $t
	done
}
have_topics() {
	for t in $TOPICS; do
		until_true 60 has_topic $t
	done
}
start_kbroker() {
	"$KT_BROKER" "$KT_PROPERTIES" >>"$KT_LOG" 2>&1 &
	pid=$!
	have_topics
}

# put SEED: 3000 records of 200 keys, every tenth a tombstone.
put() {
	$PYTHON - "$KT_PLAIN" "$1" <<'END'
import random, sys
from confluent_kafka import Producer
where, seed = sys.argv[1], int(sys.argv[2])
rnd = random.Random(seed)
out = open("plain.in", "a")
p = Producer({"bootstrap.servers": where, "acks": "all",
    "enable.idempotence": True, "linger.ms": 2,
    "compression.codec": ["none", "lz4", "zstd", "gzip", "snappy"][seed % 5]})
for i in range(3000):
    key = "k%d" % rnd.randrange(200)
    value = None if rnd.randrange(10) == 0 else "v%d-%d" % (seed, i)
    p.produce("plain", value, key, partition=0)
    out.write("%s %s\n" % (key, value or ""))
    if i % 50 == 0:
        p.flush()
p.flush()
END
}
# put_txns SEED: 150 transactions, half of them aborted.
put_txns() {
	$PYTHON - "$KT_PLAIN" "$1" <<'END'
import random, sys
from confluent_kafka import Producer
where, seed = sys.argv[1], int(sys.argv[2])
rnd = random.Random(seed)
out = open("txns.in", "a")
p = Producer({"bootstrap.servers": where, "transactional.id": "t%d" % seed})
p.init_transactions()
for n in range(150):
    p.begin_transaction()
    lines = []
    for i in range(rnd.randrange(1, 20)):
        key = "k%d" % rnd.randrange(200)
        value = None if rnd.randrange(10) == 0 else "t%d-%d-%d" % (seed, n, i)
        p.produce("txns", value, key, partition=0)
        lines.append("%s %s\n" % (key, value or ""))
    p.flush()
    if rnd.randrange(2) == 0:
        p.abort_transaction()
    else:
        p.commit_transaction()
        out.writelines(lines)
END
}

# last FILE: of each key the last value, unless that is none.
last() {
	awk '{ v[$1] = $2 } END { for (k in v) if (v[k] != "") print k, v[k] }' \
	    "$1" | sort
}
same_values() {
	for t in $TOPICS; do
		kcat -b "$KT_PLAIN" -C -t $t -p 0 -o beginning -e -q \
		    -X isolation.level=read_committed -f '%k %s\n' >$t.out
		last $t.in >$t.want
		last $t.out >$t.got
		cmp $t.want $t.got || fail "$1: other values in $t"
	done
	step "$1: $(cat plain.out txns.out | wc -l) records hold" \
	    "$(cat plain.want txns.want | wc -l) values"
}

dump() {
	"$PEER" dump-log --files "$@" >dump.out 2>dump.err ||
		fail "DumpLogSegments fails: $(tail -5 dump.err)"
	if grep -iE 'exception|corrupt|mismatch|invalid|isvalid: false|found' \
	    dump.out dump.err | grep -v 'payload: ' >complaints; then
		fail "DumpLogSegments complains about $1: $(head complaints)"
	fi
}
check_files() {
	for t in $TOPICS; do
		for base in "$KT_DATA"/$t-0/*.log; do
			base=${base%.log}
			dump "$base.log" --deep-iteration --print-data-log
			cat dump.out >>all.out
			dump "$base.index" --index-sanity-check
			dump "$base.timeindex" --index-sanity-check
			if [ -f "$base.txnindex" ]; then
				dump "$base.txnindex"
			fi
		done
	done
	step "DumpLogSegments finds nothing wrong ($1)"
}
compacted() {
	[ "$(grep -c "cleaned log $1" "$KT_LOG")" -ge "$2" ]
}
# Fewer than so many bytes in closed segments.
small() {
	[ "$(cat "$KT_DATA/$1"-0/*.log | wc -c)" -lt "$2" ]
}

# Kafka writes and does not compact.
start_kafka --override log.cleaner.enable=false
for t in $TOPICS; do
	"$PEER" topics --bootstrap-server "$KT_PLAIN" --create --topic $t \
	    --partitions 1 --config cleanup.policy=compact \
	    --config segment.bytes=30000 >>tools.log 2>&1 ||
		fail "cannot make a topic: $(tail -3 tools.log)"
done
have_topics
put 1
put_txns 1
put 2
put_txns 2
same_values "Kafka"
stop_broker "$pid"

# kbroker compacts what Kafka wrote.
start_kbroker
for t in $TOPICS; do
	until_true 30 compacted $t 1
	until_true 30 small $t 90000
done
same_values "compacted by kbroker"
put 3
same_values "compacted by kbroker, and more"
sleep 1
stop_broker "$pid"
check_files "compacted by kbroker"
grep -q 'deleteHorizonMs: OptionalLong\[' all.out ||
	fail "no batch has a delete horizon"
grep -q "cleaner-offset" <(ls "$KT_DATA") || fail "no cleaner checkpoint"
grep -qE '^plain 0 [1-9]' "$KT_DATA/cleaner-offset-checkpoint" ||
	fail "not in the cleaner checkpoint: plain"

# Kafka goes on with it, and compacts what kbroker compacted.
start_kafka
have_topics
same_values "Kafka on kbroker's compacted files"
put 4
put_txns 4
put 5
put_txns 5
sleep 2
same_values "Kafka on kbroker's compacted files, and more"
stop_broker "$pid"
if grep -E 'uncleanable|Corrupt|InvalidOffset' kafka.log; then
	fail "Kafka finds something wrong"
fi

# And back, also after a kill.
start_kbroker
same_values "kbroker on Kafka's compacted files"
put 6
sleep 1
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
start_kbroker
same_values "kbroker after a kill"
stop_broker "$pid"
check_files "compacted by both"
if grep -E 'uncleanable' "$KT_LOG"; then
	fail "kbroker cannot compact something"
fi
pid=
