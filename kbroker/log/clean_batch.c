/* One batch in compaction: looked at, judged, and written in a new form. */
#include <stdlib.h>

#include "kbroker/log/clean_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/record/build.h"

void
kb_clean_copy_fini(struct kb_clean_copy *c)
{
	kb_clean_txn_fini(&c->txn);
	kc_compress_ctx_close(&c->ctx);
	free(c->keep);
	c->keep = NULL;
}

enum kc_control
kb_clean_control(const struct kc_batch *b)
{
	enum kc_control type = KC_CONTROL_OTHER;
	struct kc_record rec;
	struct kc_iter it;
	int32_t epoch;

	kc_iter_open(&it, b, KC_ITER_FULL, NULL);
	if (kc_iter_next(&it, &rec) &&
	    kc_control_parse(&rec, &type, &epoch) != KC_OK)
		type = KC_CONTROL_OTHER;
	(void)kc_iter_close(&it);
	return type;
}

/* Records come without a trustworthy count: the bits grow with them. */
static int
set_bit(struct kb_clean_copy *c, int64_t i, bool on)
{
	size_t at = (size_t)i / 8, cap;
	uint8_t *p;

	if (at >= c->keep_cap) {
		cap = KC_MAX(c->keep_cap * 2, 512);
		if ((p = realloc(c->keep, cap)) == NULL)
			return KC_ENOMEM;
		c->keep = p;
		c->keep_cap = cap;
	}
	if (i % 8 == 0)
		c->keep[at] = 0;
	c->keep[at] |= (uint8_t)((on ? 1 : 0) << (i % 8));
	return KC_OK;
}

static bool
bit(const struct kb_clean_copy *c, int64_t i)
{
	return (c->keep[i / 8] >> (i % 8) & 1) != 0;
}

/* First pass: which records stay. */
static int
judge_records(
    struct kb_clean_copy *c, const struct kc_batch *b, struct kb_clean_sum *sum)
{
	struct kb_clean_iter it;
	struct kc_record rec;
	int64_t newest;
	int rc = KC_OK, rc2;
	bool keep;

	kb_clean_iter_open(&it, b, c->ctx);
	while (rc == KC_OK && kb_clean_iter_next(&it, &rec)) {
		newest = kb_clean_wants_key(&c->rules, &rec) ?
		    kb_offset_map_get(c->map, rec.key) :
		    -1;
		keep = kb_clean_keep_record(&c->rules, b, &rec, newest);
		sum->wrong_magic |= it.old && it.u.old.inner_magic;
		sum->tombstone |= keep && rec.value.len < 0;
		sum->kept += keep;
		rc = set_bit(c, sum->records++, keep);
	}
	rc2 = kb_clean_iter_close(&it);
	return rc == KC_OK ? rc2 : rc;
}

static void
rewrite_params(
    const struct kc_batch *b, int64_t horizon, struct kc_build_params *p)
{
	*p = kc_build_params_default;
	p->base_offset = b->base_offset;
	p->leader_epoch = b->leader_epoch;
	p->attributes = (int16_t)(b->attributes &
	    (KC_ATTR_APPEND_TIME | KC_ATTR_TXN | KC_ATTR_CONTROL));
	p->producer_id = b->producer_id;
	p->producer_epoch = b->producer_epoch;
	p->base_sequence = b->base_sequence;
	/* The last sequence number follows from it. */
	p->last_delta = b->last_delta;
	p->append_time = b->max_timestamp;
	if (horizon != KC_NO_TIMESTAMP) {
		p->attributes |= KC_ATTR_DELETE_HORIZON;
		p->delete_horizon = horizon;
	}
}

/* Second pass. */
static int
rewrite(struct kb_clean_copy *c, const struct kc_batch *b, int64_t horizon,
    struct kc_wr *w)
{
	struct kc_build_params p;
	struct kc_build bld;
	struct kc_record rec;
	struct kc_iter it;
	int64_t i = 0;
	int rc, rc2;

	rewrite_params(b, horizon, &p);
	p.codec = (enum kc_codec)kc_batch_codec(b);
	p.level = kc_codec_level_default(p.codec);
	kc_build_open(&bld, &p, c->ctx, w);
	kc_iter_open(&it, b, KC_ITER_FULL, c->ctx);
	rc = KC_OK;
	while (rc == KC_OK && kc_iter_next(&it, &rec))
		if (bit(c, i++))
			rc = kc_build_append(&bld, &rec);
	rc2 = kc_iter_close(&it);
	rc = rc == KC_OK ? rc2 : rc;
	rc2 = kc_build_finish(&bld);
	rc = rc == KC_OK ? rc2 : rc;
	return rc == KC_EINVAL ? KC_ECORRUPT : rc; /* offsets out of order */
}

static int
write_empty(const struct kc_batch *b, struct kc_wr *w)
{
	struct kc_build_params p;
	struct kc_build bld;

	rewrite_params(b, KC_NO_TIMESTAMP, &p);
	p.max_timestamp = b->max_timestamp;
	kc_build_open(&bld, &p, NULL, w);
	return kc_build_finish(&bld);
}

static bool
keep_old(void *arg, int index)
{
	return bit(arg, index);
}

static int
write_batch(struct kb_clean_copy *c, const struct kc_batch *b,
    enum kb_clean_fate fate, int64_t horizon, struct kb_clean_out *out)
{
	size_t at = out->w.len;
	int rc = KC_OK;

	c->changed |= fate != KB_CLEAN_COPY;
	switch (fate) {
	case KB_CLEAN_DROP:
		return KC_OK;
	case KB_CLEAN_COPY:
		kc_wr_bytes(&out->w, b->p, b->size);
		rc = out->w.err;
		break;
	case KB_CLEAN_EMPTY:
		rc = write_empty(b, &out->w);
		break;
	case KB_CLEAN_REWRITE:
		rc = b->magic == 2 ?
		    rewrite(c, b, horizon, &out->w) :
		    kc_legacy_filter(c->ctx, b, keep_old, c, &out->w);
		break;
	}
	return rc == KC_OK ? kb_clean_out_put(out, at) : rc;
}

/* What the producer of an emptied batch last wrote. */
static void
last_of(struct kb_log *log, int64_t id, struct kb_clean_last *last)
{
	const struct kb_producer *p;

	*last = (struct kb_clean_last){ .data_offset = -1 };
	if (id < 0)
		return;
	kc_lock_take(&log->lock);
	p = kb_producers_find(&log->ps, id);
	if (p != NULL && p->epoch >= 0) {
		last->active = true;
		last->epoch = p->epoch;
		if (p->nbatches > 0)
			last->data_offset =
			    p->batch[p->nbatches - 1].last_offset;
	}
	kc_lock_drop(&log->lock);
}

int
kb_clean_batch(
    struct kb_clean_copy *c, const struct kc_batch *b, struct kb_clean_out *out)
{
	struct kb_clean_last last = { .data_offset = -1 };
	struct kb_clean_sum sum = { 0 };
	struct kb_aborted_txn entry;
	bool aborted = false, keep_entry = false;
	enum kb_clean_fate fate;
	int64_t horizon;
	int rc;

	if (kc_batch_control(b))
		rc = kb_clean_txn_marker(&c->txn, b, kb_clean_control(b),
		    &sum.gone, &keep_entry, &entry);
	else
		rc = kb_clean_txn_data(&c->txn, b, &aborted);
	if (rc == KC_OK && keep_entry)
		rc = kb_clean_out_aborted(out, &entry);
	if (rc != KC_OK)
		return rc;
	if (kb_clean_discard(&c->rules, b, aborted, sum.gone))
		sum.records = KC_MAX(b->count, 0);
	else if ((rc = judge_records(c, b, &sum)) != KC_OK)
		return rc;
	if (sum.kept == 0)
		last_of(c->log, b->producer_id, &last);
	fate = kb_clean_fate(&c->rules, b, &sum, &last, &horizon);
	c->st->records += sum.records;
	c->st->kept += sum.kept;
	return write_batch(c, b, fate, horizon, out);
}
