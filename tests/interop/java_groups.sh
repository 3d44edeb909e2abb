# Kafka's own consumer in a group, its tool for groups, and its reader of
# __consumer_offsets.
. "$(dirname "$0")/common.sh"
need_peer
need kcat

cd "$KT_DIR"
groups() {
	"$PEER" consumer-groups --bootstrap-server "$KT_PLAIN" "$@" \
	    2>>java.log
}
# consume GROUP COUNT: COUNT messages of topic-a in a group, sorted.
consume() {
	"$PEER" console-consumer --bootstrap-server "$KT_PLAIN" \
	    --topic topic-a --group "$1" --from-beginning \
	    --max-messages "$2" --timeout-ms 60000 2>>java.log | sort
}
# has FILE PATTERN
has() { grep -Eq "$2" "$1" || fail "$1 lacks '$2': $(cat "$1")"; }

"$PEER" topics --bootstrap-server "$KT_PLAIN" --create --topic topic-a \
    --partitions 3 >>java.log 2>&1
seq 1 300 >in
kcat -b "$KT_PLAIN" -P -t topic-a <in
consume one 300 >out
sort in | cmp - out || fail "a group did not read all: $(wc -l <out)"
step "a group of one reads all"

seq 301 400 | kcat -b "$KT_PLAIN" -P -t topic-a
consume one 100 >out
seq 301 400 | sort | cmp - out || fail "it did not go on where it was"
step "the next consumer goes on where the first one stopped"

groups --list >list
has list '^one$'
groups --describe --group one >describe
has describe '^one +topic-a +0 .* 0 +-'
[ "$(awk '$1 == "one" { n += $4 } END { print n }' describe)" = 400 ] ||
	fail "committed offsets: $(cat describe)"
groups --describe --group one --state >state
has state '^one .* Empty +0'
groups --list --state Empty >list
has list '^one +Empty'
groups --list --state Stable >list
! grep -q '^one' list || fail "one is not stable"
step "listed and described"

# A live member.
"$PEER" console-consumer --bootstrap-server "$KT_PLAIN" --topic topic-a \
    --group live --timeout-ms 90000 >/dev/null 2>>java.log &
live=$!
trap 'kill "$live" 2>/dev/null || true' EXIT
is_stable() { groups --describe --group live --state | grep -q Stable; }
until_true 30 is_stable
groups --describe --group live --members --verbose >members
has members '^live +console-consumer-.* 3 +.*\(0,1,2\)'
groups --delete --group live >delete 2>&1 || true
has delete 'NonEmpty|not empty'
groups --delete-offsets --group live --topic topic-a >delete 2>&1 || true
has delete 'subscribed|GroupSubscribedToTopic'
kill "$live"
wait "$live" || true
step "members of a live group; it can not be deleted"

groups --reset-offsets --group one --topic topic-a --to-earliest --execute \
    >reset
has reset 'one +topic-a +0 +0'
consume one 400 >out
seq 1 400 | sort | cmp - out || fail "not from the beginning after a reset"
groups --delete-offsets --group one --topic topic-a >delete
has delete 'topic-a +0 +Successful'
groups --delete --group one >delete
has delete 'success'
groups --list >list
! grep -q '^one$' list || fail "one is still there"
step "offsets reset and deleted, the group deleted"

# Kafka reads what we wrote; the partitions of other groups are empty.
stop_broker "$KT_PID"
for log in "$KT_DATA"/__consumer_offsets-*/00000000000000000000.log; do
	[ -s "$log" ] || continue
	"$PEER" dump-log --files "$log" --offsets-decoder >>dump 2>>java.log
done
has dump 'key: .*"type":"1".*"group":"one","topic":"topic-a"'
has dump 'key: .*"type":"2".*"group":"one"'
has dump '"protocol":"range","leader":"console-consumer'
if grep -v 'key: ' dump | grep -iE 'invalid|exception|corrupt|isvalid: false'
then
	fail "Kafka cannot read our __consumer_offsets"
fi
step "our __consumer_offsets read by DumpLogSegments"
