#include "kbroker/replica/source_ask.h"

#include "kbroker/config.h"
#include "kcommon/base/err.h"

#include <stdlib.h>
#include <utlist.h>

#define FETCH_BY_ID 17 /* as a 3.9 broker's to a 3.9 broker */
#define FETCH_BY_NAME 12

/* Of how many copies from v[0] on one topic entry is made. */
static int32_t
run_length(struct kb_copy *const *v, int32_t n)
{
	int32_t len = 1;

	while (len < n && strcmp(v[0]->p->topic, v[len]->p->topic) == 0)
		len++;
	return len;
}

static int32_t
count_runs(struct kb_copy *const *v, int32_t n)
{
	int32_t runs = 0;

	for (int32_t i = 0; i < n; i += run_length(v + i, n - i))
		runs++;
	return runs;
}

/* --- ListOffsets --------------------------------------------------------- */

static int32_t
collect_asking(
    struct kb_source *src, enum kb_copy_state state, struct kb_copy **v)
{
	struct kb_copy *c, *tmp;
	int32_t n = 0;

	HASH_ITER(hh_name, src->by_names, c, tmp)
		if (c->state == state && c->wait_until_ms == 0)
			v[n++] = c;
	return n;
}

int
kb_source_make_list(struct kb_source *src, struct kp_list_offsets_req *in)
{
	int64_t what = KB_LIST_LATEST;
	struct kb_copy **v;
	int32_t n, topics = 0, len;

	if (src->nask == 0)
		return KC_ENOENT;
	v = kc_arena_array(&src->arena, (size_t)src->nask, sizeof *v);
	if (v == NULL)
		return KC_ENOMEM;
	n = collect_asking(src, KB_COPY_ASK_LATEST, v);
	if (n == 0) {
		what = KB_LIST_EARLIEST;
		n = collect_asking(src, KB_COPY_ASK_EARLIEST, v);
	}
	if (n == 0)
		return KC_ENOENT;
	kp_init(kp_api_get(kp_key_list_offsets)->req.desc(), in);
	in->replica_id = src->f->p->broker_id;
	if (!KP_ARRAY(
		&src->arena, &in->topics, list_offsets_topic, count_runs(v, n)))
		return KC_ENOMEM;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_list_offsets_topic *t = &in->topics.v[topics++];

		len = run_length(v + i, n - i);
		t->name = kc_str(v[i]->p->topic);
		if (!KP_ARRAY(&src->arena, &t->partitions,
			list_offsets_partition, len))
			return KC_ENOMEM;
		for (int32_t j = 0; j < len; j++) {
			t->partitions.v[j].partition_index = v[i + j]->p->index;
			t->partitions.v[j].current_leader_epoch =
			    v[i + j]->leader_epoch;
			t->partitions.v[j].timestamp = what;
		}
	}
	return KC_OK;
}

/* --- Fetch --------------------------------------------------------------- */

static bool
told_all(const struct kb_copy *c)
{
	return c->in_session && c->told_offset == c->offset &&
	    c->told_epoch == c->leader_epoch &&
	    c->told_last_epoch == c->last_epoch &&
	    c->told_start == kb_log_start(c->p->log);
}

/*
 * Works off the dirty list: those that the leader must hear of, in v; who is
 * not ready leaves the session.
 */
static int32_t
collect_dirty(struct kb_source *src, struct kb_copy **v)
{
	struct kb_copy *c;
	int32_t n = 0;

	while ((c = src->dirty) != NULL) {
		c->dirty = false;
		DL_DELETE(src->dirty, c);
		if (c->state != KB_COPY_FETCHING || c->wait_until_ms != 0) {
			kb_source_forget(c);
			continue;
		}
		if (!told_all(c))
			v[n++] = c;
	}
	return n;
}

static void
note_told(struct kb_source *src, struct kb_copy *c)
{
	src->nsession += !c->in_session;
	c->in_session = true;
	c->told_offset = c->offset;
	c->told_start = kb_log_start(c->p->log);
	c->told_epoch = c->leader_epoch;
	c->told_last_epoch = c->last_epoch;
}

static bool
fill_topics(struct kb_source *src, struct kp_fetch_req *in, struct kb_copy **v,
    int32_t n)
{
	int32_t topics = 0, len;

	if (!KP_ARRAY(&src->arena, &in->topics, fetch_topic, count_runs(v, n)))
		return false;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_fetch_topic *t = &in->topics.v[topics++];

		len = run_length(v + i, n - i);
		t->topic = kc_str(v[i]->p->topic);
		t->topic_id = v[i]->id.topic;
		if (!KP_ARRAY(
			&src->arena, &t->partitions, fetch_partition, len))
			return false;
		for (int32_t j = 0; j < len; j++) {
			struct kp_fetch_partition *o = &t->partitions.v[j];

			note_told(src, v[i + j]);
			o->partition = v[i + j]->p->index;
			o->current_leader_epoch = v[i + j]->leader_epoch;
			o->fetch_offset = v[i + j]->offset;
			o->last_fetched_epoch = v[i + j]->last_epoch;
			o->log_start_offset = v[i + j]->told_start;
			o->partition_max_bytes =
			    src->f->p->config->replica_fetch_max_bytes;
		}
	}
	return true;
}

static bool
fill_forgotten(struct kb_source *src, struct kp_fetch_req *in)
{
	struct kb_forgotten *o;
	int32_t n = 0;

	LL_COUNT(src->forgotten, o, n);
	if (!KP_ARRAY(
		&src->arena, &in->forgotten_topics_data, forgotten_topic, n))
		return false;
	n = 0;
	/* A topic entry each: there are few as a rule. */
	LL_FOREACH(src->forgotten, o) {
		struct kp_forgotten_topic *t =
		    &in->forgotten_topics_data.v[n++];

		t->topic = kc_arena_str(&src->arena, kc_str(o->topic));
		t->topic_id = o->id.topic;
		t->partitions.v =
		    kc_arena_array(&src->arena, 1, sizeof *t->partitions.v);
		if (t->partitions.v == NULL || t->topic.len < 0)
			return false;
		t->partitions.v[0] = o->id.index;
		t->partitions.n = 1;
	}
	return true;
}

/* A session begins, or there is none: everything is to be told. */
static void
begin_full(struct kb_source *src, bool by_id)
{
	struct kb_copy *c, *tmp;

	src->session_epoch = 0;
	src->by_id = by_id;
	src->nsession = 0;
	kb_source_drop_forgotten(src);
	HASH_ITER(hh_name, src->by_names, c, tmp) {
		c->in_session = false;
		kb_copy_touch(c);
	}
}

static void
fill_head(struct kb_source *src, struct kp_fetch_req *in, int16_t version)
{
	const struct kb_fetchers_params *p = src->f->p;

	kp_init(kp_api_get(kp_key_fetch)->req.desc(), in);
	if (version >= 15) {
		in->replica_state.replica_id = p->broker_id;
		in->replica_state.replica_epoch = atomic_load(p->broker_epoch);
	} else {
		in->replica_id = p->broker_id;
	}
	in->max_wait_ms = p->config->replica_fetch_wait_max_ms;
	in->min_bytes = p->config->replica_fetch_min_bytes;
	in->max_bytes = p->config->replica_fetch_response_max_bytes;
	in->session_id = src->session_id;
	in->session_epoch = src->session_epoch;
}

int
kb_source_make_fetch(
    struct kb_source *src, struct kp_fetch_req *in, int16_t *version)
{
	bool by_id = src->nnameless == 0;
	struct kb_copy **v;
	int32_t n;

	if (src->session_epoch == 0 || src->by_id != by_id)
		begin_full(src, by_id);
	*version = by_id ? FETCH_BY_ID : FETCH_BY_NAME;
	v = kc_arena_array(
	    &src->arena, HASH_CNT(hh_name, src->by_names), sizeof *v);
	if (v == NULL)
		return KC_ENOMEM;
	n = collect_dirty(src, v);
	if (n == 0 && src->nsession == 0 && src->forgotten == NULL)
		return KC_ENOENT;
	fill_head(src, in, *version);
	if (!fill_topics(src, in, v, n) || !fill_forgotten(src, in))
		return KC_ENOMEM;
	kb_source_drop_forgotten(src); /* told; or a failure tells all anew */
	return KC_OK;
}
