#include "tests/lib/replicas.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define MESSAGES_MAX 4000000
#define OUT_MAX 20000 /* not acknowledged yet, before it takes a breath */

/* --- state znodes -------------------------------------------------------- */

static int
number_after(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	KT_CHECKF(p != NULL, "no %s in %s", key, text);
	return atoi(p + strlen(key));
}

bool
kt_state(
    struct kt_zk *zk, const char *topic, int partition, struct kt_state *st)
{
	struct kt_znode node = { 0 };
	char path[300];
	char *p;

	memset(st, 0, sizeof *st);
	st->leader = -1;
	snprintf(path, sizeof path, "/brokers/topics/%s/partitions/%d/state",
	    topic, partition);
	if (!kt_zk_get(zk, path, &node))
		return false;
	st->leader = number_after(node.data, "\"leader\":");
	st->leader_epoch = number_after(node.data, "\"leader_epoch\":");
	p = strstr(node.data, "\"isr\":[");
	KT_CHECK(p != NULL);
	for (p += strlen("\"isr\":["); *p != ']' && *p != '\0';) {
		KT_CHECK(st->nisr < KT_BROKERS_MAX);
		st->isr[st->nisr++] = (int)strtol(p, &p, 10);
		while (*p == ',' || *p == ' ')
			p++;
	}
	kt_znode_free(&node);
	return true;
}

bool
kt_in_sync(struct kt_zk *zk, const char *topic, int n, int id)
{
	struct kt_state st;

	for (int i = 0; i < n; i++) {
		bool there = false;

		if (!kt_state(zk, topic, i, &st))
			return false;
		for (int j = 0; j < st.nisr; j++)
			there |= st.isr[j] == id;
		if (!there)
			return false;
	}
	return true;
}

void
kt_all_in_sync(
    struct kt_zk *zk, const char *topic, int n, int nbrokers, int limit_ms)
{
	for (int id = 0; id < nbrokers; id++)
		KT_UNTIL(limit_ms, kt_in_sync(zk, topic, n, id));
}

/* --- logs on disk -------------------------------------------------------- */

static int
is_log(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 4 && strcmp(e->d_name + len - 4, ".log") == 0;
}

struct bytes {
	char *p;
	size_t len;
};

static void
add_file(struct bytes *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat sb;
	ssize_t n;

	KT_CHECK(fd >= 0 && fstat(fd, &sb) == 0);
	b->p = realloc(b->p, b->len + (size_t)sb.st_size + 1);
	KT_CHECK(b->p != NULL);
	while ((n = read(fd, b->p + b->len, (size_t)sb.st_size)) > 0) {
		b->len += (size_t)n;
		sb.st_size -= n;
	}
	KT_CHECK(n == 0 && sb.st_size == 0);
	close(fd);
}

/* All segments, one after the other: where they end may differ. */
static struct bytes
whole_log(struct kt_cluster *c, int i, const char *topic, int partition)
{
	struct bytes b = { 0 };
	struct dirent **v;
	char name[300];
	char path[1200];
	int n;

	snprintf(name, sizeof name, "%s-%d", topic, partition);
	n = scandir(kt_data_path(c, i, name), &v, is_log, alphasort);
	KT_CHECKF(n > 0, "broker %d has no log of %s", i, name);
	for (int k = 0; k < n; k++) {
		snprintf(path, sizeof path, "%s/%s", kt_data_path(c, i, name),
		    v[k]->d_name);
		add_file(&b, path);
		free(v[k]);
	}
	free(v);
	return b;
}

void
kt_same_logs(struct kt_cluster *c, const char *topic, int partition)
{
	struct bytes first = whole_log(c, 0, topic, partition), other;

	KT_CHECK(first.len > 0);
	for (int i = 1; i < c->n; i++) {
		size_t at = 0;

		other = whole_log(c, i, topic, partition);
		while (at < first.len && at < other.len &&
		    first.p[at] == other.p[at])
			at++;
		KT_CHECKF(first.len == other.len && at == first.len,
		    "%s-%d: broker 0 has %zu bytes, broker %d has %zu, and "
		    "they differ at %zu",
		    topic, partition, first.len, i, other.len, at);
		free(other.p);
	}
	kt_step("%s-%d: %zu bytes, the same on %d brokers", topic, partition,
	    first.len, c->n);
	free(first.p);
}

/* --- load ---------------------------------------------------------------- */

void
kt_load_open(struct kt_load *l, const struct kt_cluster *c, const char *topic,
    int partitions)
{
	memset(l, 0, sizeof *l);
	l->rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "enable.idempotence",
	    "true", "acks", "all", "delivery.timeout.ms", "120000",
	    "queue.buffering.max.messages", "30000",
	    "topic.metadata.refresh.interval.ms", "1000", NULL);
	l->topic = topic;
	l->partitions = partitions;
	l->base_ms = (int64_t)time(NULL) * 1000 - 60000;
	l->max = MESSAGES_MAX;
	l->state = calloc(1, (size_t)l->max);
	KT_CHECK(l->state != NULL);
	kt_acks_of(l->rk)->state = l->state;
	kt_acks_of(l->rk)->state_max = l->max;
}

void
kt_load_run(struct kt_load *l, int ms)
{
	int64_t acked = kt_acks_of(l->rk)->acked;
	int64_t limit_ms = kt_now_ms() + 60000;
	int64_t end_ms = kt_now_ms() + ms;

	while (kt_now_ms() < end_ms && l->n < l->max) {
		kt_produce(l->rk, l->topic, (int)(l->n % l->partitions), l->n,
		    l->base_ms);
		l->n++;
		if (kt_acks_of(l->rk)->acked == acked) {
			KT_CHECKF(
			    kt_now_ms() < limit_ms, "nothing is acknowledged");
			end_ms = kt_now_ms() + ms;
		}
		if (rd_kafka_outq_len(l->rk) > OUT_MAX)
			rd_kafka_poll(l->rk, 20);
	}
}

struct check {
	unsigned char *seen;
	int64_t max;
	int64_t last; /* number of the message before */
};

static void
seen(const rd_kafka_message_t *m, void *arg)
{
	struct check *ck = arg;
	int64_t i = kt_message_number(m);

	KT_CHECK(i >= 0 && i < ck->max);
	KT_CHECKF(!ck->seen[i], "message %lld is there twice", (long long)i);
	ck->seen[i] = 1;
	KT_CHECKF(i > ck->last, "message %lld comes after %lld", (long long)i,
	    (long long)ck->last);
	ck->last = i;
}

void
kt_load_verify(struct kt_load *l, const struct kt_cluster *c)
{
	struct check ck = { calloc(1, (size_t)l->max), l->max, -1 };
	struct kt_acks *acks = kt_acks_of(l->rk);
	rd_kafka_t *rk;
	int64_t total = 0;
	int64_t lost = 0;

	KT_CHECK(ck.seen != NULL);
	kt_flush(l->rk, 120000);
	KT_EQ(acks->failed, 0);
	rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	for (int p = 0; p < l->partitions; p++) {
		ck.last = -1;
		total += kt_consume_all(rk, l->topic, p, seen, &ck);
	}
	kt_client_free(&rk);
	for (int64_t i = 0; i < l->n; i++)
		lost += l->state[i] == 1 && !ck.seen[i];
	KT_CHECKF(
	    lost == 0, "%lld acknowledged messages are lost", (long long)lost);
	kt_step("%lld sent, %lld acknowledged, %lld there, none lost or twice",
	    (long long)l->n, (long long)acks->acked, (long long)total);
	free(ck.seen);
}

void
kt_load_close(struct kt_load *l)
{
	kt_acks_of(l->rk)->state = NULL;
	kt_client_free(&l->rk);
	free(l->state);
	l->state = NULL;
}
