# For the scripts that with_cluster runs; see there what KT_* hold.
set -euo pipefail

PEER=${KB_SHARED:-/nonexistent}/peer/peer

step() { printf '%s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
skip() { printf 'skipped: %s\n' "$*"; exit 77; }
need() { command -v "$1" >/dev/null || skip "no $1 here"; }

# Kafka itself: its tools and its broker.  Under AddressSanitizer the clients
# are enough, the rest is slow and was done in the plain build.
need_peer() {
	case ${KB_ASAN:-}$0 in
	1*java_clients.sh) ;;
	1*) skip "slow, and done in the plain build" ;;
	esac
	[ -z "${KB_TSAN:-}" ] || skip "slow, and done in the other builds"
	need java
	need mvn
	[ -x "$PEER" ] || skip "no Kafka to compare with ($PEER)"
	"$PEER" fetch >"$KT_DIR/peer-fetch.log" 2>&1 ||
		skip "cannot get Kafka's jars"
	export KAFKA_HEAP_OPTS=-Xmx256M
}

# until_true SECONDS COMMAND...: poll until it succeeds.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "still not so: $*"
		sleep 0.05
	done
}

# Ended: gone, or a zombie that its parent has not asked for.
ended() {
	case $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) in
	'' | Z) return 0 ;;
	*) return 1 ;;
	esac
}
stop_broker() {
	kill -TERM "$1"
	until_true 60 ended "$1"
}

# A topic's partitions are up once kcat lists their leader.
has_topic() {
	kcat -b "$KT_PLAIN" -L -J -t "$1" 2>/dev/null |
		grep -q '"leader":0'
}
answers() { kcat -b "$KT_PLAIN" -L >/dev/null 2>&1; }
