/*
 * Produce (0): a producer writes.
 *
 * Each partition's records are judged first (checksum, walk over the records,
 * codec: kcommon/record/validate.h), without a lock; then appended under the
 * partition's lock.  acks=all waits for the high watermark.  The order of the
 * checks is Kafka's (KafkaApis.handleProduceRequest, ReplicaManager; wire.md
 * 8).
 */
#include "kbroker/api/api.h"
#include "kbroker/api/park.h"
#include "kbroker/core.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"
#include "kcommon/record/validate.h"

#define LOGGER "kafka.server.KafkaApis"

struct wait { /* one partition appended to, acks=all */
	struct kb_partition *p; /* own reference */
	int64_t required; /* high watermark to wait for */
	int32_t leader_epoch;
	struct kp_partition_produce_response *out;
};

struct produce {
	struct kb_request *req;
	const struct kp_produce_req *in;
	struct kp_produce_resp *out;
	int16_t all_code; /* not NONE: the answer for every partition */
	struct wait *waits;
	int32_t nwaits;
	bool failed; /* some partition has an error */
};

static void
fail(struct kp_partition_produce_response *o, int16_t code)
{
	o->error_code = code;
	o->base_offset = -1;
	o->log_append_time_ms = -1;
	o->log_start_offset = -1;
}

/* Checks on the request as a whole; sets all_code. */
static void
check_request(struct produce *pr)
{
	const struct kp_produce_req *in = pr->in;
	int64_t pid = -1;
	int16_t epoch = -1;
	bool txn = false;

	for (int32_t i = 0; i < in->topic_data.n; i++) {
		const struct kp_topic_produce_data *t = &in->topic_data.v[i];

		for (int32_t j = 0; j < t->partition_data.n; j++) {
			const struct kc_records *r =
			    &t->partition_data.v[j].records;
			struct kc_records_peek peek;

			if (r->len <= 0)
				continue;
			kc_records_peek(r->p, (size_t)r->len, &peek);
			if (!peek.txn)
				continue;
			if (peek.mixed ||
			    (txn &&
				(peek.producer_id != pid ||
				    peek.producer_epoch != epoch)))
				pr->all_code = KP_INVALID_PRODUCER_ID_MAPPING;
			txn = true;
			pid = peek.producer_id;
			epoch = peek.producer_epoch;
		}
	}
	/* A transaction belongs to an id. */
	if (txn && in->transactional_id.len < 0)
		pr->all_code = KP_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (pr->all_code == KP_NONE && (in->acks < -1 || in->acks > 1))
		pr->all_code = KP_INVALID_REQUIRED_ACKS;
}

static int16_t
verdict_code(enum kc_verdict v)
{
	switch (v) {
	case KC_VERDICT_OK:
		return KP_NONE;
	case KC_VERDICT_CORRUPT:
		return KP_CORRUPT_MESSAGE;
	case KC_VERDICT_TOO_LARGE:
		return KP_MESSAGE_TOO_LARGE;
	case KC_VERDICT_TIMESTAMP:
		return KP_INVALID_TIMESTAMP;
	case KC_VERDICT_CODEC:
		return KP_UNSUPPORTED_COMPRESSION_TYPE;
	case KC_VERDICT_INVALID:
		return KP_INVALID_RECORD;
	}
	return KP_UNKNOWN_SERVER_ERROR;
}

/* What was wrong with which record (KIP-467). */
static void
explain(struct kb_request *req, const struct kc_validate_params *vp,
    const struct kc_validated *v, struct kp_partition_produce_response *o)
{
	char *text = kc_arena_printf(&req->arena, "%s", v->text);
	char buf[KC_VALIDATE_TEXT];

	/* Kafka has a text only where it names records. */
	if (v->nerrors == 0)
		return;
	o->error_message = kc_str(text);
	if (!KP_ARRAY(&req->arena, &o->record_errors,
		batch_index_and_error_message, v->nerrors))
		return;
	for (int i = 0; i < v->nerrors; i++) {
		struct kp_batch_index_and_error_message *e =
		    &o->record_errors.v[i];

		e->batch_index = v->errors[i].index;
		text = kc_arena_printf(&req->arena, "%s",
		    kc_validated_fault_text(vp, &v->errors[i], buf));
		e->batch_index_error_message = kc_str(text);
	}
}

static int16_t
append(struct produce *pr, struct kb_partition *p, const struct kc_validated *v,
    struct kp_partition_produce_response *o)
{
	struct kb_append a = { .p = v->p,
		.len = v->len,
		.origin = KB_APPEND_CLIENT,
		.patch = v->patch,
		.attributes = v->attributes,
		.max_timestamp = v->max_timestamp,
		.crc = v->crc,
		.append_time = v->append_time };
	int64_t required;
	int32_t epoch;
	int16_t code = kb_partition_append(p, &a, pr->in->acks, &required);

	if (code != KP_NONE)
		return code;
	o->base_offset = a.first_offset;
	o->log_append_time_ms = a.append_time;
	o->log_start_offset = a.start;
	if (pr->in->acks != -1)
		return KP_NONE;
	epoch = a.leader_epoch;
	code = kb_partition_ack(p, required, epoch);
	if (code != KB_PARTITION_PENDING) {
		o->error_code = code; /* it is in the log all the same */
		return KP_NONE;
	}
	pr->waits[pr->nwaits++] = (struct wait){
		.p = kb_partition_get(p),
		.required = required,
		.leader_epoch = epoch,
		.out = o,
	};
	return KP_NONE;
}

static int16_t
judge_and_append(struct produce *pr, struct kb_partition *p,
    const struct kb_partition_rules *rules, const struct kc_records *r,
    struct kp_partition_produce_response *o)
{
	struct kb_request *req = pr->req;
	struct kc_validate_params vp = kc_validate_params_default;
	struct kc_validated v;
	int16_t code;

	vp.name = p->label;
	vp.api_version = req->version;
	vp.max_message_bytes = rules->max_message_bytes;
	vp.compact = rules->compact;
	vp.append_time = rules->log_append_time;
	vp.before_max_ms = rules->timestamp_before_max_ms;
	vp.after_max_ms = rules->timestamp_after_max_ms;
	vp.now_ms = kc_wall_ms(req->broker->env->c.clock);
	vp.codec = rules->compression;
	if (rules->compression > KB_COMPRESSION_NONE)
		vp.level[rules->compression] = rules->compression_level;
	if (kc_validate(&vp, kb_request_reader(req)->compress, r->p,
		(size_t)r->len, &v) != KC_OK) {
		kc_validated_fini(&v);
		return KP_UNKNOWN_SERVER_ERROR;
	}
	code = verdict_code(v.verdict);
	if (code != KP_NONE)
		explain(req, &vp, &v, o);
	else if (v.len > 0)
		code = append(pr, p, &v, o);
	else
		o->base_offset = -1; /* nothing in it: a success */
	kc_validated_fini(&v);
	return code;
}

/* The leader to ask instead, for clients that understand it (KIP-951). */
static void
hint_leader(struct produce *pr, struct kc_str topic, int32_t index,
    struct kp_partition_produce_response *o)
{
	const struct kb_meta *meta = kb_request_meta(pr->req);
	const struct kb_meta_partition *mp =
	    kb_meta_partition(kb_meta_topic(meta, topic), index);

	if (pr->req->version < 10 || mp == NULL || mp->leader < 0)
		return;
	o->current_leader.leader_id = mp->leader;
	o->current_leader.leader_epoch = mp->leader_epoch;
	kb_api_add_produce_endpoint(pr->req, meta, mp->leader, pr->out);
}

static int16_t
one(struct produce *pr, struct kc_str topic,
    const struct kp_partition_produce_data *d,
    struct kp_partition_produce_response *o)
{
	struct kb_partition *p;
	struct kb_partition_rules rules;
	int16_t code;

	if (pr->all_code != KP_NONE)
		return pr->all_code;
	if (kb_topic_name_internal(topic) &&
	    !kc_str_eqz(pr->req->client_id, "__admin_client"))
		return KP_INVALID_TOPIC_EXCEPTION;
	code = kb_request_partition(pr->req, topic, d->index, &p);
	if (code == KP_NONE)
		code = kb_partition_rules(p, &rules);
	if (code != KP_NONE)
		return code;
	if (d->records.len < 0) /* a real broker never answers */
		return KP_INVALID_RECORD;
	return judge_and_append(pr, p, &rules, &d->records, o);
}

static void
log_failure(
    const struct produce *pr, struct kc_str topic, int32_t index, int16_t code)
{
	char t[256], c[128];

	if (!kc_log_on(KC_LOG_DEBUG, LOGGER))
		return;
	kc_log(KC_LOG_DEBUG, LOGGER,
	    "Produce of client %s from %s to %s-%d failed: %s",
	    kc_str_esc(pr->req->client_id, c, sizeof c), pr->req->peer_host,
	    kc_str_esc(topic, t, sizeof t), index, kp_error_name(code));
}

/* Fills the answer; false when there is no memory for it. */
static bool
produce_all(struct produce *pr)
{
	struct kb_request *req = pr->req;
	const struct kp_produce_req *in = pr->in;
	int32_t n = KC_MAX(in->topic_data.n, 0), total = 0;

	for (int32_t i = 0; i < n; i++)
		total += KC_MAX(in->topic_data.v[i].partition_data.n, 0);
	pr->waits =
	    kc_arena_array(&req->arena, (size_t)total, sizeof *pr->waits);
	if (pr->waits == NULL ||
	    !KP_ARRAY(
		&req->arena, &pr->out->responses, topic_produce_response, n))
		return false;
	for (int32_t i = 0; i < n; i++) {
		const struct kp_topic_produce_data *t = &in->topic_data.v[i];
		struct kp_topic_produce_response *to = &pr->out->responses.v[i];
		int32_t np = KC_MAX(t->partition_data.n, 0);

		to->name = t->name;
		/* All answers first: nothing may fail once we append. */
		if (!KP_ARRAY(&req->arena, &to->partition_responses,
			partition_produce_response, np))
			return false;
	}
	for (int32_t i = 0; i < n; i++) {
		const struct kp_topic_produce_data *t = &in->topic_data.v[i];

		for (int32_t j = 0; j < t->partition_data.n; j++) {
			const struct kp_partition_produce_data *d =
			    &t->partition_data.v[j];
			struct kp_partition_produce_response *o =
			    &pr->out->responses.v[i].partition_responses.v[j];
			int16_t code;

			o->index = d->index;
			code = one(pr, t->name, d, o);
			if (code == KP_NONE)
				continue;
			fail(o, code);
			pr->failed = true;
			log_failure(pr, t->name, d->index, code);
			if (code == KP_NOT_LEADER_OR_FOLLOWER)
				hint_leader(pr, t->name, d->index, o);
		}
	}
	return true;
}

/* Have all partitions come through, or is time up? */
static bool
retry(struct kb_park *park, bool last)
{
	struct produce *pr = park->arg;
	bool pending = false;

	for (int32_t i = 0; i < pr->nwaits; i++) {
		struct wait *w = &pr->waits[i];
		int16_t code;

		if (w->out->error_code != KP_NONE)
			continue;
		code = kb_partition_ack(w->p, w->required, w->leader_epoch);
		if (code == KB_PARTITION_PENDING && !last) {
			pending = true;
			continue;
		}
		if (code == KB_PARTITION_PENDING)
			code = KP_REQUEST_TIMED_OUT;
		w->out->error_code = code; /* it is in the log all the same */
	}
	return !pending;
}

static void
on_done(struct kb_request *req)
{
	struct kb_park *park = req->park_state;
	struct produce *pr = park->arg;

	for (int32_t i = 0; i < pr->nwaits; i++)
		kb_partition_put(&pr->waits[i].p);
}

static enum kb_disposition
wait_for_acks(struct produce *pr)
{
	struct kb_request *req = pr->req;
	struct kb_park *park = kb_park_new(req, pr->nwaits, retry, pr);

	if (park == NULL) {
		for (int32_t i = 0; i < pr->nwaits; i++) {
			fail(pr->waits[i].out, KP_UNKNOWN_SERVER_ERROR);
			kb_partition_put(&pr->waits[i].p);
		}
		return KB_REPLY;
	}
	req->park_state = park;
	req->on_done = on_done;
	for (int32_t i = 0; i < pr->nwaits; i++)
		kb_park_on(
		    park, &pr->waits[i].p->lock, &pr->waits[i].p->waiters);
	return kb_park_start(park, KC_MAX(pr->in->timeout_ms, 0));
}

enum kb_disposition
kb_api_produce(struct kb_request *req, const void *msg, void *resp)
{
	struct produce *pr = kc_arena_alloc(&req->arena, sizeof *pr);

	if (pr == NULL)
		return KB_CLOSE;
	pr->req = req;
	pr->in = msg;
	pr->out = resp;
	check_request(pr);
	if (!produce_all(pr))
		return KB_CLOSE;
	if (pr->in->acks == 0) {
		/* Nobody reads an answer: closing is how it hears. */
		if (pr->failed)
			kc_log(KC_LOG_INFO, LOGGER,
			    "Closing the connection of %s: a produce request "
			    "with acks=0 had an error",
			    req->peer_host);
		return pr->failed ? KB_CLOSE : KB_NO_REPLY;
	}
	return pr->nwaits > 0 ? wait_for_acks(pr) : KB_REPLY;
}
