# Groups survive when Kafka takes over our data directory, and when we take
# over Kafka's: the same offsets, and a member that lives through it all stays
# in its generation.
. "$(dirname "$0")/common.sh"
need_peer
need kcat

cd "$KT_DIR"
groups() {
	"$PEER" consumer-groups --bootstrap-server "$KT_PLAIN" "$@" \
	    2>>java.log
}
# read_in GROUP: what a group has not read yet.
read_in() {
	kcat -b "$KT_PLAIN" -G "$1" -X auto.offset.reset=earliest -e -q \
	    data 2>>kcat.log | sort
}
# produce FROM TO
produce() { seq "$1" "$2" | kcat -b "$KT_PLAIN" -P -t data -p 0; }
# goes_on GROUP FROM TO: it reads just these.
goes_on() {
	read_in "$1" >out
	seq "$2" "$3" | sort | cmp - out || fail "$1: $(wc -l <out) records"
}
alive() {
	groups --describe --group live --state >state || return 1
	grep -q 'Stable *1' state
}

produce 1 100
goes_on old 1 100
# kcat ends when no broker is left; Kafka's consumer waits.
"$PEER" console-consumer --bootstrap-server "$KT_PLAIN" --topic data \
    --group live --consumer-property session.timeout.ms=120000 \
    >live.out 2>>java.log &
live=$!
trap 'kill -9 $live $pid 2>/dev/null || true' EXIT
pid=$KT_PID
until_true 30 alive
step "kbroker: one group has read all, one lives"
stop_broker "$KT_PID"

"$PEER" broker "$KT_PROPERTIES" >kafka.log 2>&1 &
pid=$!
until_true 60 has_topic data
until_true 60 alive
produce 101 200
goes_on old 101 200
goes_on kafkas 1 200
until_true 30 grep -qx 200 live.out
step "Kafka: both go on, a third one has read all"
stop_broker "$pid"

"$KT_BROKER" "$KT_PROPERTIES" >>"$KT_LOG" 2>&1 &
pid=$!
until_true 60 has_topic data
until_true 60 alive
produce 201 300
goes_on old 201 300
goes_on kafkas 201 300
until_true 30 grep -qx 300 live.out
step "kbroker: all three go on"
kill "$live"
wait "$live" || true
stop_broker "$pid"

# It joined once, at first.  A second join under Kafka is Kafka's doing: for some
# milliseconds after its start it says that there is no such topic.
joins=$(grep -c 'Preparing to rebalance group live ' "$KT_LOG" || true)
[ "$joins" = 1 ] || fail "the live member joined $joins times under kbroker"
sort -n live.out | uniq -d | grep . && fail "read twice by a live member"
step "the live member was never asked to join again"
