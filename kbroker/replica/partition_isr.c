/*
 * A leader and its followers: how far they are, the high watermark, and the
 * in-sync set that the controller is asked for.
 */
#include "kbroker/metadata/cache.h"
#include "kbroker/replica/partition_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGGER KB_PARTITION_LOGGER

static bool
alive(void *arg, int32_t id)
{
	const struct kb_partition *p = arg;
	struct kb_meta *meta = kb_meta_get(p->env->meta);
	bool is = kb_meta_broker(meta, id) != NULL;

	kb_meta_unref(&meta);
	return is;
}

/* @locks p->lock is held */
static void
look(struct kb_partition *p, struct kb_isr_view *v)
{
	*v = (struct kb_isr_view){
		.me = p->broker_id,
		.isr = &p->isr,
		.remotes = p->remotes,
		.nremotes = p->nremotes,
		.leader_end = kb_log_end(p->log),
		.hw = kb_log_hw(p->log),
		.epoch_start = p->epoch_start,
		.min_isr = kb_partition_min_isr(p),
		/* Nobody else: no need to know the time. */
		.now_ms = p->nremotes > 0 ? kc_mono_ms(p->env->clock) : 0,
		.lag_max_ms = p->env->lag_max_ms,
		.alive = alive,
		.arg = p,
	};
}

bool
kb_partition_advance_hw(struct kb_partition *p)
{
	struct kb_isr_view v;
	int64_t hw;

	if (!p->leading)
		return false;
	look(p, &v);
	hw = kb_isr_high_watermark(&v);
	return hw > v.hw && kb_log_set_hw(p->log, hw);
}

/* "1,2,3", for the log. */
static const char *
ids_text(const int32_t *v, int32_t n, char *buf, size_t cap)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int32_t i = 0; i < n && len + 13 < cap; i++)
		len += (size_t)snprintf(
		    buf + len, cap - len, "%s%d", i > 0 ? "," : "", v[i]);
	return buf;
}

static void
tell_change(const struct kb_partition *p, const char *what)
{
	char from[128], to[128];

	kc_log(KC_LOG_INFO, LOGGER,
	    "[Partition %s-%d broker=%d] %s ISR from %s to %s", p->topic,
	    p->index, p->broker_id, what,
	    ids_text(p->isr.v, p->isr.n, from, sizeof from),
	    ids_text(p->isr.next, p->isr.nnext, to, sizeof to));
}

static struct kb_remote *
find_remote(struct kb_partition *p, int32_t id)
{
	for (int32_t i = 0; i < p->nremotes; i++)
		if (p->remotes[i].id == id)
			return &p->remotes[i];
	return NULL;
}

/* @locks p->lock is held */
static void
ask_in(struct kb_partition *p, const struct kb_remote *r)
{
	struct kb_isr_view v;

	if (kb_isr_has(&p->isr, r->id))
		return; /* as nearly always */
	look(p, &v);
	if (!kb_isr_may_join(&v, r) || kb_isr_expand(&p->isr, r->id) != KC_OK)
		return;
	tell_change(p, "Expanding");
	p->env->alter(p->env->arg, p);
}

void
kb_partition_fetched(struct kb_partition *p, struct kb_partition_read *r)
{
	struct kb_remote *m;
	int64_t before, start;
	bool moved = false;

	kc_lock_take(&p->lock);
	m = find_remote(p, r->replica_id);
	/* Of the term that it was read in (LE-5), or it says nothing. */
	if (m == NULL || !p->leading || p->leader_epoch != r->current_epoch)
		goto out;
	before = m->end;
	start = m->start;
	if (!kb_remote_fetched(m,
		&(struct kb_remote_fetch){ .offset = r->rd.offset,
		    .start = r->log_start,
		    .leader_end = r->slice.end,
		    .now_ms = kc_mono_ms(p->env->clock),
		    .broker_epoch = r->broker_epoch }))
		goto out;
	ask_in(p, m);
	if (m->end != before && kb_partition_advance_hw(p)) {
		r->slice.hw = kb_log_hw(p->log);
		moved = true;
	}
	/* The start is what DeleteRecords waits for. */
	if (moved || m->start != start)
		kb_waitlist_wake(&p->waiters);
out:
	kc_lock_drop(&p->lock);
}

/* May the consumer be sent to m? */
static bool
is_near(const struct kb_partition *p, const struct kb_partition_near *w,
    const struct kb_remote *m)
{
	const struct kb_meta_broker *b = kb_meta_broker(w->meta, m->id);

	return kb_isr_has(&p->isr, m->id) && m->end >= w->offset &&
	    m->start <= w->offset && b != NULL && kc_str_eq(b->rack, w->rack) &&
	    kb_meta_endpoint(b, w->listener) != NULL;
}

int32_t
kb_partition_near(struct kb_partition *p, const struct kb_partition_near *w)
{
	const struct kb_meta_broker *own =
	    kb_meta_broker(w->meta, p->broker_id);
	const struct kb_remote *best = NULL;
	int32_t id;

	if (w->rack.len <= 0 || (own != NULL && kc_str_eq(own->rack, w->rack)))
		return -1;
	kc_lock_take(&p->lock);
	for (int32_t i = 0; p->leading && i < p->nremotes; i++) {
		const struct kb_remote *m = &p->remotes[i];

		if (!is_near(p, w, m))
			continue;
		if (best == NULL || m->end > best->end ||
		    (m->end == best->end &&
			m->caught_up_ms > best->caught_up_ms))
			best = m;
	}
	id = best != NULL ? best->id : -1;
	kc_lock_drop(&p->lock);
	return id;
}

int16_t
kb_partition_low_watermark(struct kb_partition *p, int64_t *low)
{
	int16_t code;

	kc_lock_take(&p->lock);
	code = kb_partition_check(p, -1);
	*low = kb_log_start(p->log);
	for (int32_t i = 0; i < p->nremotes; i++)
		if (p->remotes[i].start < *low && alive(p, p->remotes[i].id))
			*low = p->remotes[i].start;
	kc_lock_drop(&p->lock);
	return code;
}

void
kb_partition_isr_check(struct kb_partition *p)
{
	struct kb_isr_view v;

	kc_lock_take(&p->lock);
	if (p->leading && !p->stopped && !kb_log_offline(p->log)) {
		look(p, &v);
		if (kb_isr_shrink(&p->isr, &v) == KC_OK) {
			tell_change(p, "Shrinking");
			p->env->alter(p->env->arg, p);
		}
		/* Who was waited for may have stayed out too long (HW-2). */
		if (kb_partition_advance_hw(p))
			kb_waitlist_wake(&p->waiters);
	}
	kc_lock_drop(&p->lock);
}

int
kb_partition_isr_ask(struct kb_partition *p, struct kb_isr_ask *ask)
{
	int rc = KC_ENOENT;

	memset(ask, 0, sizeof *ask);
	kc_lock_take(&p->lock);
	if (!p->leading || p->stopped || p->isr.change == KB_ISR_STABLE)
		goto out;
	rc = KC_ENOMEM;
	ask->v = calloc((size_t)KC_MAX(p->isr.nnext, 1), sizeof *ask->v);
	if (ask->v == NULL)
		goto out;
	rc = KC_OK;
	ask->leader_epoch = p->leader_epoch;
	ask->partition_epoch = p->partition_epoch;
	ask->n = p->isr.nnext;
	for (int32_t i = 0; i < ask->n; i++) {
		const struct kb_remote *m = find_remote(p, p->isr.next[i]);

		ask->v[i].id = p->isr.next[i];
		ask->v[i].broker_epoch = m != NULL ? m->broker_epoch : -1;
	}
out:
	kc_lock_drop(&p->lock);
	return rc;
}

void
kb_isr_ask_fini(struct kb_isr_ask *ask)
{
	free(ask->v);
	ask->v = NULL;
	ask->n = 0;
}

/* @locks p->lock is held */
static bool
commit(struct kb_partition *p, const struct kb_isr_answer *a)
{
	char text[128];

	/* Newer than us, or older: LeaderAndIsr tells. */
	if (a->leader_epoch != p->leader_epoch ||
	    a->partition_epoch < p->partition_epoch)
		return false;
	if (kb_isr_commit(&p->isr, a->isr, a->nisr) != KC_OK)
		return true;
	p->partition_epoch = a->partition_epoch;
	kc_log(KC_LOG_INFO, LOGGER,
	    "[Partition %s-%d broker=%d] ISR updated to %s and version "
	    "updated to %d",
	    p->topic, p->index, p->broker_id,
	    ids_text(p->isr.v, p->isr.n, text, sizeof text),
	    p->partition_epoch);
	(void)kb_partition_advance_hw(p);
	kb_waitlist_wake(&p->waiters);
	return false;
}

/* @locks p->lock is held */
static bool
refused(struct kb_partition *p, int16_t code)
{
	enum kb_isr_refusal what = kb_isr_refused(code);

	kc_log(what == KB_ISR_AGAIN ? KC_LOG_WARN : KC_LOG_INFO, LOGGER,
	    "[Partition %s-%d broker=%d] The controller refuses the new ISR: "
	    "%s; %s",
	    p->topic, p->index, p->broker_id, kp_error_name(code),
	    what == KB_ISR_BACK	    ? "back to the last one it gave" :
		what == KB_ISR_WAIT ? "waiting for its news" :
				      "asking again");
	if (what == KB_ISR_BACK) {
		kb_isr_forget(&p->isr);
		/* The one asked in holds the high watermark no longer. */
		if (kb_partition_advance_hw(p))
			kb_waitlist_wake(&p->waiters);
	}
	return what == KB_ISR_AGAIN;
}

bool
kb_partition_isr_answered(struct kb_partition *p, const struct kb_isr_ask *ask,
    int16_t code, const struct kb_isr_answer *a)
{
	bool again = false;

	kc_lock_take(&p->lock);
	/* What was asked in another term, or settled meanwhile, is over. */
	if (p->leading && !p->stopped && ask->leader_epoch == p->leader_epoch &&
	    p->isr.change != KB_ISR_STABLE)
		again = code == KP_NONE ? commit(p, a) : refused(p, code);
	kc_lock_drop(&p->lock);
	return again;
}
