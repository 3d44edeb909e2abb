/*
 * Fetch (1): a consumer or a follower reads.
 *
 * The session says which partitions; each is read in order, sharing the
 * request's bytes; the answer goes at once when there is enough, an error
 * or nothing to wait for, and otherwise when the partitions have moved or
 * max_wait_ms is over (kafka.server.DelayedFetch).  Records are ranges of log
 * files and are sent from there.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/fetch_old.h"
#include "kbroker/api/park.h"
#include "kbroker/core.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

/* A fetch of more partitions is searched for doubles. */
#define DOUBLES_MAX 1000

struct item { /* one partition of the fetch */
	struct kb_fetch_part *part;
	struct kb_partition *p; /* own reference; NULL: code says why */
	int16_t code; /* fixed one, when p is NULL */
	/* Of the last read. */
	int16_t now;
	int32_t near; /* a replica to read from instead; -1 */
	struct kb_partition_read r;
	struct kb_aborted *aborted; /* malloc'ed */
	int naborted;
	struct kc_records records;
	uint8_t *converted; /* malloc'ed, old clients only */
};

struct fetch {
	struct kb_request *req;
	const struct kp_fetch_req *in;
	struct kp_fetch_resp *out;
	struct kb_fetch_ctx ctx;
	struct item *items;
	int32_t nitems;
	int32_t replica_id;
	enum kb_isolation isolation;
	int64_t bytes; /* of the last read */
	bool urgent; /* an error, or diverging histories */
	bool noted; /* what a follower's fetch says of it has been */
	int64_t broker_epoch; /* the follower's, -1 */
};

static void
release_reads(struct fetch *f)
{
	for (int32_t i = 0; i < f->nitems; i++) {
		struct item *it = &f->items[i];

		kb_log_slice_fini(&it->r.slice);
		free(it->aborted);
		free(it->converted);
		it->aborted = NULL;
		it->naborted = 0;
		it->converted = NULL;
		it->records = (struct kc_records){ .len = 0 };
	}
}

/* After the answer has been encoded (it holds references of its own). */
static void
on_done(struct kb_request *req)
{
	struct kb_park *park = req->park_state;
	struct fetch *f = park->arg;

	release_reads(f);
	for (int32_t i = 0; i < f->nitems; i++)
		kb_partition_put(&f->items[i].p);
	kb_fetch_ctx_end(req->broker->sessions, &f->ctx);
}

/* The request's partitions as the session takes them. */
static struct kb_fetch_part *
parse_parts(struct fetch *f, int32_t *n)
{
	const struct kp_fetch_req *in = f->in;
	struct kb_fetch_part *v, *at;

	*n = 0;
	for (int32_t i = 0; i < in->topics.n; i++)
		*n += KC_MAX(in->topics.v[i].partitions.n, 0);
	v = at = kc_arena_array(&f->req->arena, (size_t)*n, sizeof *v);
	if (v == NULL)
		return NULL;
	for (int32_t i = 0; i < in->topics.n; i++) {
		const struct kp_fetch_topic *t = &in->topics.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			const struct kp_fetch_partition *p =
			    &t->partitions.v[j];

			*at++ = (struct kb_fetch_part){
				.topic = f->ctx.by_id ? KC_STR_NULL : t->topic,
				.topic_id = t->topic_id,
				.partition = p->partition,
				.max_bytes = p->partition_max_bytes,
				.fetch_offset = p->fetch_offset,
				.log_start_offset = p->log_start_offset,
				.leader_epoch = p->current_leader_epoch,
				.last_fetched_epoch = p->last_fetched_epoch,
				.told_hw = -1,
				.told_log_start = -1,
			};
		}
	}
	return v;
}

static int
by_partition(const void *x, const void *y)
{
	const struct kb_fetch_part *a = *(struct kb_fetch_part *const *)x;
	const struct kb_fetch_part *b = *(struct kb_fetch_part *const *)y;
	int c = memcmp(a->topic_id.b, b->topic_id.b, sizeof a->topic_id.b);

	if (c == 0)
		c = kc_str_cmp(a->topic, b->topic);
	if (c == 0)
		c = (a->partition > b->partition) -
		    (a->partition < b->partition);
	return c != 0 ? c : (a > b) - (a < b);
}

/*
 * A partition named more than once counts once, in the first place, as it was
 * named last (Kafka keeps a map); otherwise a small request could have one log
 * read millions of times at every wake.  Few of them are left alone.
 */
static bool
drop_doubles(struct kc_arena *a, struct kb_fetch_part *v, int32_t *n)
{
	struct kb_fetch_part **s;
	bool *drop;
	int32_t kept = 0;

	if (*n <= DOUBLES_MAX)
		return true;
	s = kc_arena_array(a, (size_t)*n, sizeof *s);
	drop = kc_arena_array(a, (size_t)*n, sizeof *drop);
	if (s == NULL || drop == NULL)
		return false;
	for (int32_t i = 0; i < *n; i++)
		s[i] = &v[i];
	qsort(s, (size_t)*n, sizeof(void *), by_partition);
	for (int32_t i = 0, first = 0; i < *n; i++) {
		if (i == first || s[i]->partition != s[first]->partition ||
		    !kc_str_eq(s[i]->topic, s[first]->topic) ||
		    !kc_uuid_eq(&s[i]->topic_id, &s[first]->topic_id)) {
			first = i;
			continue;
		}
		*s[first] = *s[i];
		drop[s[i] - v] = true;
	}
	for (int32_t i = 0; i < *n; i++)
		if (!drop[i])
			v[kept++] = v[i];
	*n = kept;
	return true;
}

static struct kb_fetch_part *
parse_forgotten(struct fetch *f, int32_t *n)
{
	const struct kp_fetch_req *in = f->in;
	struct kb_fetch_part *v, *at;

	*n = 0;
	for (int32_t i = 0; i < in->forgotten_topics_data.n; i++)
		*n += KC_MAX(in->forgotten_topics_data.v[i].partitions.n, 0);
	v = at = kc_arena_array(&f->req->arena, (size_t)*n, sizeof *v);
	if (v == NULL)
		return NULL;
	for (int32_t i = 0; i < in->forgotten_topics_data.n; i++) {
		const struct kp_forgotten_topic *t =
		    &in->forgotten_topics_data.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++)
			*at++ = (struct kb_fetch_part){
				.topic = f->ctx.by_id ? KC_STR_NULL : t->topic,
				.topic_id = t->topic_id,
				.partition = t->partitions.v[j],
			};
	}
	return v;
}

static int16_t
begin(struct fetch *f)
{
	struct kb_request *req = f->req;
	struct kb_fetch_part *parts;
	struct kb_session_ask ask = {
		.session_id = f->in->session_id,
		.epoch = f->in->session_epoch,
		.follower = f->replica_id >= 0,
		.by_id = req->version >= 13,
	};

	f->ctx.by_id = ask.by_id;
	ask.parts = parts = parse_parts(f, &ask.nparts);
	ask.forgotten = parse_forgotten(f, &ask.nforgotten);
	if (ask.parts == NULL || ask.forgotten == NULL ||
	    !drop_doubles(&req->arena, parts, &ask.nparts))
		return KP_UNKNOWN_SERVER_ERROR;
	return kb_sessions_begin(req->broker->sessions,
	    kc_loop_now_ms(req->loop), &ask, &req->arena, &f->ctx);
}

/* Which hosted partition an item means. */
static void
resolve(struct fetch *f, const struct kb_meta *meta, struct item *it)
{
	struct kb_request *req = f->req;
	struct kc_str name = it->part->topic;
	struct kb_partition *p;

	if (f->ctx.by_id) {
		const struct kb_meta_topic *t =
		    kb_meta_topic_by_id(meta, &it->part->topic_id);

		if (t == NULL) {
			it->code = KP_UNKNOWN_TOPIC_ID;
			return;
		}
		name = t->name;
	}
	it->code = kb_request_partition(req, name, it->part->partition, &p);
	if (it->code == KP_NONE && f->ctx.by_id) {
		struct kc_uuid id;

		/* The log may still be that of an older topic of this name. */
		kb_log_topic_id(p->log, &id);
		if (!kc_uuid_is_zero(&id) &&
		    !kc_uuid_eq(&id, &it->part->topic_id))
			it->code = KP_INCONSISTENT_TOPIC_ID;
	}
	if (it->code == KP_NONE)
		it->p = kb_partition_get(p);
}

static bool
resolve_all(struct fetch *f)
{
	const struct kb_meta *meta = kb_request_meta(f->req);

	f->items = kc_arena_array(
	    &f->req->arena, (size_t)f->ctx.nparts, sizeof *f->items);
	if (f->items == NULL)
		return false;
	f->nitems = f->ctx.nparts;
	for (int32_t i = 0; i < f->nitems; i++) {
		f->items[i].part = &f->ctx.parts[i];
		resolve(f, meta, &f->items[i]);
	}
	return true;
}

/*
 * A consumer elsewhere is sent to a replica in its rack (KIP-392); what the
 * log holds is told, but no records.
 */
static bool
send_elsewhere(struct fetch *f, struct item *it)
{
	struct kb_request *req = f->req;
	struct kb_partition_near w = { .meta = kb_request_meta(req),
		.listener = kc_str(req->listener),
		.rack = f->in->rack_id,
		.offset = it->part->fetch_offset };
	struct kb_log_bounds b;

	it->near = -1;
	if (it->p == NULL || f->replica_id >= 0 || req->version < 11 ||
	    req->broker->config->replica_selector_class == NULL ||
	    req->broker->config->replica_selector_class[0] == '\0')
		return false;
	it->near = kb_partition_near(it->p, &w);
	if (it->near < 0)
		return false;
	kb_log_bounds(it->p->log, &b);
	it->r.diverging_epoch = it->r.diverging_end = -1;
	it->r.slice = (struct kb_log_slice){
		.start = b.start, .end = b.end, .hw = b.hw, .lso = b.lso
	};
	it->now = KP_NONE;
	f->urgent = true;
	return true;
}

/* Read one partition; *left is what the answer may still grow. */
static void
read_item(struct fetch *f, struct item *it, int64_t *left, bool *min_one)
{
	struct kb_partition_read *r = &it->r;

	*r = (struct kb_partition_read){
		.rd = { .offset = it->part->fetch_offset,
		    .max_bytes = (int32_t)KC_MIN(
			(int64_t)KC_MAX(it->part->max_bytes, 0), *left),
		    .min_one = *min_one,
		    .isolation = f->isolation },
		.leader_epoch = it->part->leader_epoch,
		.last_fetched_epoch = it->part->last_fetched_epoch,
		.replica_id = f->replica_id,
		.any_copy = f->replica_id < 0 && f->req->version >= 11,
		.note = !f->noted,
		.log_start = it->part->log_start_offset,
		.broker_epoch = f->broker_epoch,
	};
	it->records = (struct kc_records){ .len = 0 };
	if (send_elsewhere(f, it))
		return;
	it->now = it->p == NULL ? it->code : kb_partition_read(it->p, r);
	if (it->now == KP_NONE && r->slice.len > 0)
		it->records = (struct kc_records){ .len = r->slice.len,
			.file = r->slice.file,
			.file_off = r->slice.pos };
	if (it->now == KP_NONE && f->req->version < 10)
		it->now = kb_fetch_old(
		    f->req, it->p, r, &it->records, &it->converted);
	if (it->now == KP_NONE && f->isolation == KB_READ_LSO &&
	    r->slice.len > 0 &&
	    kb_log_aborted(it->p->log, it->part->fetch_offset,
		r->slice.end_offset, &it->aborted, &it->naborted) != KC_OK)
		it->now = KP_UNKNOWN_SERVER_ERROR;
	if (it->now != KP_NONE || r->diverging_epoch >= 0) {
		f->urgent = true;
		it->records = (struct kc_records){ .len = 0 };
	}
	if (it->records.len > 0) {
		f->bytes += it->records.len;
		*left = KC_MAX(*left - it->records.len, 0);
		*min_one = false;
	}
}

static int64_t
answer_max(const struct fetch *f)
{
	return KC_MIN(KC_MAX(f->in->max_bytes, 0),
	    f->req->broker->config->fetch_max_bytes);
}

static void
read_all(struct fetch *f)
{
	int64_t left = answer_max(f);
	bool min_one = f->req->version >= 3;

	release_reads(f);
	f->bytes = 0;
	f->urgent = false;
	for (int32_t i = 0; i < f->nitems; i++)
		read_item(f, &f->items[i], &left, &min_one);
	f->noted = true; /* a later look at the log is no fetch */
}

/* Up to version 5 clients know no KAFKA_STORAGE_ERROR. */
static int16_t
code_for(const struct kb_request *req, int16_t code)
{
	if (req->version <= 5 && code == KP_KAFKA_STORAGE_ERROR)
		return KP_NOT_LEADER_OR_FOLLOWER;
	return code;
}

static void
fill_aborted(struct fetch *f, const struct item *it,
    struct kp_fetch_resp_partition_data *d)
{
	/* Of what is not even known Kafka gives no list, but an empty one. */
	if (it->p == NULL && it->code != KP_NOT_LEADER_OR_FOLLOWER &&
	    it->code != KP_KAFKA_STORAGE_ERROR)
		return;
	d->aborted_transactions.n = -1;
	if (f->isolation != KB_READ_LSO || it->now != KP_NONE)
		return;
	if (!KP_ARRAY(&f->req->arena, &d->aborted_transactions,
		aborted_transaction, it->naborted))
		return;
	for (int i = 0; i < it->naborted; i++) {
		d->aborted_transactions.v[i].producer_id =
		    it->aborted[i].producer_id;
		d->aborted_transactions.v[i].first_offset =
		    it->aborted[i].first_offset;
	}
}

static void
fill_item(struct fetch *f, const struct item *it,
    struct kp_fetch_resp_partition_data *d)
{
	const struct kb_partition_read *r = &it->r;

	d->partition_index = it->part->partition;
	d->error_code = code_for(f->req, it->now);
	d->preferred_read_replica = it->near;
	d->records = it->records;
	d->high_watermark = -1;
	fill_aborted(f, it, d);
	if (it->now == KP_NONE) {
		d->high_watermark = r->slice.hw;
		d->last_stable_offset = r->slice.lso;
		d->log_start_offset = r->slice.start;
		d->diverging_epoch.epoch = r->diverging_epoch;
		d->diverging_epoch.end_offset = r->diverging_end;
	} else if (it->p != NULL && f->req->version >= 16 &&
	    (it->now == KP_NOT_LEADER_OR_FOLLOWER ||
		it->now == KP_FENCED_LEADER_EPOCH)) {
		d->current_leader.leader_id = r->current_leader;
		d->current_leader.leader_epoch = r->current_epoch;
	}
}

/* Where the leaders that the answer names are to be found (KIP-951). */
static void
fill_endpoints(struct fetch *f)
{
	const struct kb_meta *meta = kb_request_meta(f->req);

	if (f->req->version < 16)
		return;
	for (int32_t i = 0; i < f->nitems; i++) {
		const struct item *it = &f->items[i];

		if (it->p != NULL &&
		    (it->now == KP_NOT_LEADER_OR_FOLLOWER ||
			it->now == KP_FENCED_LEADER_EPOCH))
			kb_api_add_fetch_endpoint(
			    f->req, meta, it->r.current_leader, f->out);
	}
}

static bool
same_topic(const struct item *a, const struct item *b, bool by_id)
{
	return by_id ? kc_uuid_eq(&a->part->topic_id, &b->part->topic_id) :
		       kc_str_eq(a->part->topic, b->part->topic);
}

/* How many partitions from i on go under one topic of the answer. */
static int32_t
run_length(
    const struct fetch *f, const struct item *const *told, int32_t n, int32_t i)
{
	int32_t len = 1;

	while (i + len < n && same_topic(told[i], told[i + len], f->ctx.by_id))
		len++;
	return len;
}

/* The items that the answer tells of. */
static int32_t
choose(struct fetch *f, const struct item **told)
{
	int32_t n = 0;

	for (int32_t i = 0; i < f->nitems; i++) {
		struct item *it = &f->items[i];
		bool ok = it->now == KP_NONE;

		if (kb_fetch_ctx_include(&f->ctx, it->part, it->records.len > 0,
			!ok || it->near >= 0 || it->r.diverging_epoch >= 0,
			ok ? it->r.slice.hw : -1, ok ? it->r.slice.start : -1))
			told[n++] = it;
	}
	return n;
}

/* The answer out of the last read; false: no memory for it. */
static bool
build(struct fetch *f)
{
	struct kc_arena *a = &f->req->arena;
	const struct item **told =
	    kc_arena_array(a, (size_t)f->nitems, sizeof *told);
	int32_t n, topics = 0, len;

	if (told == NULL)
		return false;
	n = choose(f, told);
	for (int32_t i = 0; i < n; i += run_length(f, told, n, i))
		topics++;
	if (!KP_ARRAY(a, &f->out->responses, fetchable_topic_response, topics))
		return false;
	topics = 0;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_fetchable_topic_response *t =
		    &f->out->responses.v[topics++];

		len = run_length(f, told, n, i);
		t->topic = told[i]->part->topic;
		t->topic_id = told[i]->part->topic_id;
		if (!KP_ARRAY(
			a, &t->partitions, fetch_resp_partition_data, len))
			return false;
		for (int32_t j = 0; j < len; j++)
			fill_item(f, told[i + j], &t->partitions.v[j]);
	}
	fill_endpoints(f);
	/* Last: a new session begins with what this answer tells. */
	f->out->session_id = kb_sessions_finish(
	    f->req->broker->sessions, kc_loop_now_ms(f->req->loop), &f->ctx);
	return true;
}

static void
fail_whole(struct fetch *f, int16_t code)
{
	f->out->error_code = code;
	f->out->session_id = 0;
	f->out->responses.n = 0;
}

static bool
retry(struct kb_park *park, bool last)
{
	struct fetch *f = park->arg;
	int64_t min;

	kb_request_turn(f->req);
	/* Waiting for more than the answer may hold would be for ever. */
	min = KC_MIN(f->in->min_bytes, answer_max(f));
	read_all(f);
	if (!last && !f->urgent && f->nitems > 0 && f->in->max_wait_ms > 0 &&
	    f->bytes < min)
		return false;
	if (!build(f))
		fail_whole(f, KP_UNKNOWN_SERVER_ERROR);
	return true;
}

enum kb_disposition
kb_api_fetch(struct kb_request *req, const void *msg, void *resp)
{
	struct fetch *f = kc_arena_alloc(&req->arena, sizeof *f);
	struct kb_park *park;
	int16_t code;

	if (f == NULL)
		return KB_CLOSE;
	f->req = req;
	f->in = msg;
	f->out = resp;
	f->replica_id = req->version >= 15 ? f->in->replica_state.replica_id :
					     f->in->replica_id;
	f->broker_epoch =
	    req->version >= 15 ? f->in->replica_state.replica_epoch : -1;
	f->isolation = f->replica_id >= 0 ? KB_READ_END :
	    f->in->isolation_level == 1	  ? KB_READ_LSO :
					    KB_READ_HW;
	code = begin(f);
	if (code == KP_NONE && !resolve_all(f))
		code = KP_UNKNOWN_SERVER_ERROR;
	park = kb_park_new(req, f->nitems, retry, f);
	if (park == NULL) {
		for (int32_t i = 0; i < f->nitems; i++)
			kb_partition_put(&f->items[i].p);
		kb_fetch_ctx_end(req->broker->sessions, &f->ctx);
		return KB_CLOSE;
	}
	req->park_state = park;
	req->on_done = on_done;
	if (code != KP_NONE) {
		fail_whole(f, code);
		return KB_REPLY;
	}
	if (retry(park, false))
		return KB_REPLY;
	for (int32_t i = 0; i < f->nitems; i++)
		if (f->items[i].p != NULL)
			kb_park_on(park, &f->items[i].p->lock,
			    &f->items[i].p->waiters);
	return kb_park_start(park, f->in->max_wait_ms);
}
