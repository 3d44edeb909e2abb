/*
 * DeleteRecords (21): a partition begins later than it did.
 *
 * Done when every replica alive begins there too (Kafka's
 * DelayedDeleteRecords); a partition with one replica answers at once.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/park.h"
#include "kbroker/core.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

struct wait { /* one partition whose other replicas are not there yet */
	struct kb_partition *p; /* own reference */
	int64_t offset; /* to be reached by all */
	bool done;
	struct kp_delete_records_partition_result *out;
};

struct deletion {
	struct wait *waits;
	int32_t nwaits;
};

static int16_t
one(struct kb_request *req, struct deletion *d, struct kc_str topic,
    int64_t offset, struct kp_delete_records_partition_result *o)
{
	struct kb_partition *p;
	int16_t code;

	code = kb_request_partition(req, topic, o->partition_index, &p);
	if (code == KP_UNKNOWN_TOPIC_OR_PARTITION)
		return code;
	if (kb_topic_name_internal(topic))
		return KP_INVALID_TOPIC_EXCEPTION;
	if (code == KP_NONE)
		code = kb_partition_delete_records(p, &offset);
	if (code != KP_NONE)
		return code;
	code = kb_partition_low_watermark(p, &o->low_watermark);
	if (code != KP_NONE || o->low_watermark >= offset)
		return code;
	d->waits[d->nwaits++] = (struct wait){
		.p = kb_partition_get(p), .offset = offset, .out = o
	};
	return KP_NONE;
}

static bool
retry(struct kb_park *park, bool last)
{
	struct deletion *d = park->arg;
	bool pending = false;

	for (int32_t i = 0; i < d->nwaits; i++) {
		struct wait *w = &d->waits[i];
		int64_t low = -1;
		int16_t code;

		if (w->done)
			continue;
		code = kb_partition_low_watermark(w->p, &low);
		if (code == KP_NONE && low < w->offset && !last) {
			pending = true;
			continue;
		}
		if (code == KP_NONE && low < w->offset)
			code = KP_REQUEST_TIMED_OUT;
		w->out->error_code = code;
		w->out->low_watermark = low;
		w->done = true;
	}
	return !pending;
}

static void
on_done(struct kb_request *req)
{
	struct kb_park *park = req->park_state;
	struct deletion *d = park->arg;

	for (int32_t i = 0; i < d->nwaits; i++)
		kb_partition_put(&d->waits[i].p);
}

static enum kb_disposition
wait_for_replicas(
    struct kb_request *req, struct deletion *d, int32_t timeout_ms)
{
	struct kb_park *park = kb_park_new(req, d->nwaits, retry, d);

	if (park == NULL) {
		for (int32_t i = 0; i < d->nwaits; i++)
			kb_partition_put(&d->waits[i].p);
		return KB_CLOSE;
	}
	req->park_state = park;
	req->on_done = on_done;
	for (int32_t i = 0; i < d->nwaits; i++)
		kb_park_on(park, &d->waits[i].p->lock, &d->waits[i].p->waiters);
	return kb_park_start(park, KC_MAX(timeout_ms, 0));
}

/* Room for the whole answer, before anything is deleted. */
static struct deletion *
begin(struct kb_request *req)
{
	const struct kp_delete_records_req *in = req->msg;
	struct kp_delete_records_resp *out = req->resp;
	struct deletion *d = kc_arena_alloc(&req->arena, sizeof *d);
	int32_t n = KC_MAX(in->topics.n, 0);
	size_t total = 0;

	if (d == NULL ||
	    !KP_ARRAY(
		&req->arena, &out->topics, delete_records_topic_result, n))
		return NULL;
	for (int32_t i = 0; i < n; i++) {
		int32_t np = KC_MAX(in->topics.v[i].partitions.n, 0);

		out->topics.v[i].name = in->topics.v[i].name;
		total += (size_t)np;
		if (!KP_ARRAY(&req->arena, &out->topics.v[i].partitions,
			delete_records_partition_result, np))
			return NULL;
	}
	d->waits = kc_arena_array(&req->arena, total, sizeof *d->waits);
	return d->waits == NULL && total > 0 ? NULL : d;
}

enum kb_disposition
kb_api_delete_records(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_delete_records_req *in = msg;
	struct kp_delete_records_resp *out = resp;
	struct deletion *d = begin(req);

	if (d == NULL)
		return KB_CLOSE;
	for (int32_t i = 0; i < out->topics.n; i++) {
		const struct kp_delete_records_topic *t = &in->topics.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			struct kp_delete_records_partition_result *o =
			    &out->topics.v[i].partitions.v[j];

			o->partition_index = t->partitions.v[j].partition_index;
			o->low_watermark = -1;
			o->error_code =
			    one(req, d, t->name, t->partitions.v[j].offset, o);
			if (o->error_code != KP_NONE)
				o->low_watermark = -1;
		}
	}
	return d->nwaits > 0 ? wait_for_replicas(req, d, in->timeout_ms) :
			       KB_REPLY;
}
