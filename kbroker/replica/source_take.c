/*
 * What a leader answers, and what becomes of the copies by it.
 */
#include "kbroker/replica/source.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>

#define LOGGER "kafka.server.ReplicaFetcherThread"

static struct kb_copy *
find_copy(struct kb_source *src, bool by_id, struct kc_str topic,
    const struct kc_uuid *id, int32_t index)
{
	struct kb_copy_id key;
	struct kb_copy *c = NULL;
	char name[280];
	int len;

	if (by_id) {
		memset(&key, 0, sizeof key);
		key.topic = *id;
		key.index = index;
		HASH_FIND(hh_id, src->by_ids, &key, sizeof key, c);
		return c;
	}
	if (topic.len < 0 || topic.len > 249)
		return NULL;
	len = snprintf(
	    name, sizeof name, "%.*s-%d", (int)topic.len, topic.p, index);
	HASH_FIND(hh_name, src->by_names, name, (unsigned)len, c);
	return c;
}

/* Say it once for a while of them: the log of a busy cluster is short. */
static void
tell(struct kb_copy *c, enum kc_log_level level, const char *what)
{
	const struct kb_source *src = c->src;

	kc_log(level, LOGGER,
	    "[ReplicaFetcher replicaId=%d, leaderId=%d, fetcherId=%d] "
	    "Partition %s-%d at offset %lld, leader epoch %d: %s",
	    src->f->p->broker_id, src->broker, src->f->index, c->p->topic,
	    c->p->index, (long long)c->offset, c->leader_epoch, what);
}

static void
take_error(struct kb_copy *c, int16_t code)
{
	switch (code) {
	case KP_OFFSET_OUT_OF_RANGE:
		tell(c, KC_LOG_WARN, "out of range at the leader");
		kb_copy_set_state(c, KB_COPY_ASK_LATEST);
		return;
	case KP_FENCED_LEADER_EPOCH:
		/* Newer LeaderAndIsr is on its way to us. */
		tell(c, KC_LOG_INFO, "has an old epoch; waiting for a new one");
		kb_copy_set_state(c, KB_COPY_FAILED);
		return;
	case KP_UNKNOWN_LEADER_EPOCH:
	case KP_NOT_LEADER_OR_FOLLOWER:
	case KP_UNKNOWN_TOPIC_OR_PARTITION:
	case KP_UNKNOWN_TOPIC_ID:
	case KP_INCONSISTENT_TOPIC_ID:
		tell(c, KC_LOG_DEBUG, kp_error_name(code));
		break;
	default:
		tell(c, KC_LOG_ERROR, kp_error_name(code));
		break;
	}
	kb_copy_wait(c);
}

static void
take_data(struct kb_copy *c, const struct kp_fetch_resp_partition_data *d)
{
	struct kb_partition_copy copy = {
		.leader_epoch = c->leader_epoch,
		.offset = c->offset,
		.p = d->records.p,
		.len = d->records.len > 0 ? (size_t)d->records.len : 0,
		.hw = d->high_watermark,
		.start = d->log_start_offset,
	};
	int rc = kb_partition_copy(c->p, &copy);

	kb_copy_after(c, rc, "appending");
	if (rc == KC_OK)
		kb_copy_from_end(c);
}

static void
take_partition(struct kb_copy *c, const struct kp_fetch_resp_partition_data *d)
{
	int rc;

	/* Not, or no longer, what was asked (LE-5). */
	if (c->state != KB_COPY_FETCHING || c->wait_until_ms != 0 ||
	    !c->in_session || c->told_offset != c->offset ||
	    c->told_epoch != c->leader_epoch)
		return;
	if (d->error_code != KP_NONE) {
		take_error(c, d->error_code);
	} else if (d->diverging_epoch.epoch >= 0) {
		rc = kb_partition_diverged(c->p, c->leader_epoch,
		    d->diverging_epoch.epoch, d->diverging_epoch.end_offset);
		kb_copy_after(c, rc, "truncating");
		if (rc == KC_OK)
			kb_copy_from_end(c);
	} else {
		take_data(c, d);
	}
}

/* The session after an answer without error. */
static void
go_on(struct kb_source *src, int32_t session_id)
{
	if (session_id == 0) {
		kb_source_reset(src, true);
	} else if (src->session_epoch == 0) {
		src->session_id = session_id;
		src->session_epoch = 1;
	} else {
		src->session_epoch = src->session_epoch == INT32_MAX ?
		    1 :
		    src->session_epoch + 1;
	}
}

bool
kb_source_take_fetch(struct kb_source *src, const void *resp)
{
	const struct kp_fetch_resp *out = resp;

	switch (out->error_code) {
	case KP_NONE:
		break;
	case KP_FETCH_SESSION_ID_NOT_FOUND:
		if (src->session_epoch == 0)
			return false; /* we named none to be found */
		kb_source_reset(src, true);
		return true;
	case KP_INVALID_FETCH_SESSION_EPOCH:
	case KP_FETCH_SESSION_TOPIC_ID_ERROR:
		if (src->session_epoch == 0)
			return false;
		kb_source_reset(src, false);
		return true;
	default:
		kc_log(KC_LOG_WARN, LOGGER,
		    "[ReplicaFetcher replicaId=%d, leaderId=%d, fetcherId=%d] "
		    "The leader refuses the fetch: %s",
		    src->f->p->broker_id, src->broker, src->f->index,
		    kp_error_name(out->error_code));
		return false;
	}
	go_on(src, out->session_id);
	for (int32_t i = 0; i < out->responses.n; i++) {
		const struct kp_fetchable_topic_response *t =
		    &out->responses.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			struct kb_copy *c = find_copy(src, src->by_id, t->topic,
			    &t->topic_id, t->partitions.v[j].partition_index);

			if (c != NULL)
				take_partition(c, &t->partitions.v[j]);
		}
	}
	return true;
}

/* --- out of range (replication.md 4, LE-7) ------------------------------- */

static void
take_latest(struct kb_copy *c, int64_t latest)
{
	int rc;

	if (latest >= kb_log_end(c->p->log)) {
		kb_copy_set_state(c, KB_COPY_ASK_EARLIEST);
		return;
	}
	tell(c, KC_LOG_WARN, "the leader's log ends below; truncating to it");
	rc = kb_partition_truncate(c->p, c->leader_epoch, latest);
	kb_copy_set_state(c, KB_COPY_FETCHING);
	kb_copy_from_end(c);
	kb_copy_after(c, rc, "truncating");
}

static void
take_earliest(struct kb_copy *c, int64_t earliest)
{
	int rc = KC_OK;

	if (earliest > kb_log_end(c->p->log)) {
		tell(c, KC_LOG_WARN,
		    "the leader's log begins above; beginning anew there");
		rc = kb_partition_restart(c->p, c->leader_epoch, earliest);
	}
	kb_copy_set_state(c, KB_COPY_FETCHING);
	kb_copy_from_end(c);
	kb_copy_after(c, rc, "beginning anew");
}

static void
take_offset(
    struct kb_copy *c, const struct kp_list_offsets_partition_response *o)
{
	if (c->wait_until_ms != 0)
		return;
	if (c->state != KB_COPY_ASK_LATEST && c->state != KB_COPY_ASK_EARLIEST)
		return;
	if (o->error_code != KP_NONE || o->offset < 0) {
		tell(c, KC_LOG_WARN, kp_error_name(o->error_code));
		kb_copy_wait(c);
	} else if (c->state == KB_COPY_ASK_LATEST) {
		take_latest(c, o->offset);
	} else {
		take_earliest(c, o->offset);
	}
}

void
kb_source_take_list(struct kb_source *src, const void *resp)
{
	const struct kp_list_offsets_resp *out = resp;

	for (int32_t i = 0; i < out->topics.n; i++) {
		const struct kp_list_offsets_topic_response *t =
		    &out->topics.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			struct kb_copy *c = find_copy(src, false, t->name, NULL,
			    t->partitions.v[j].partition_index);

			if (c != NULL)
				take_offset(c, &t->partitions.v[j]);
		}
	}
}
