#include "kbroker/replica/isr.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>
#include <string.h>

void
kb_remote_reset(struct kb_remote *r, bool anew, bool in_sync,
    int64_t leader_end, int64_t now_ms)
{
	r->caught_up_ms = in_sync ? now_ms : KB_NEVER_MS;
	if (anew) {
		r->end = -1;
		r->start = -1;
		r->leader_end = -1;
		r->fetched_ms = KB_NEVER_MS;
		r->broker_epoch = -1;
	} else {
		r->leader_end = leader_end;
		r->fetched_ms = r->caught_up_ms;
	}
}

bool
kb_remote_fetched(struct kb_remote *r, const struct kb_remote_fetch *f)
{
	if (f->broker_epoch >= 0 && f->broker_epoch < r->broker_epoch)
		return false;
	if (f->broker_epoch > r->broker_epoch) {
		if (r->broker_epoch >= 0) {
			r->leader_end = -1;
			r->fetched_ms = KB_NEVER_MS;
		}
		r->broker_epoch = f->broker_epoch;
	}
	if (f->offset >= f->leader_end)
		r->caught_up_ms = KC_MAX(r->caught_up_ms, f->now_ms);
	else if (r->leader_end >= 0 && f->offset >= r->leader_end)
		r->caught_up_ms = KC_MAX(r->caught_up_ms, r->fetched_ms);
	r->end = f->offset;
	r->start = f->start;
	r->leader_end = KC_MAX(r->leader_end, f->leader_end);
	r->fetched_ms = f->now_ms;
	return true;
}

bool
kb_remote_caught_up(const struct kb_remote *r, int64_t leader_end,
    int64_t now_ms, int64_t lag_max_ms)
{
	return r->end == leader_end || now_ms - r->caught_up_ms <= lag_max_ms;
}

static bool
has(const int32_t *v, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

bool
kb_isr_has(const struct kb_isr *isr, int32_t id)
{
	return has(isr->v, isr->n, id);
}

bool
kb_isr_has_maximal(const struct kb_isr *isr, int32_t id)
{
	return kb_isr_has(isr, id) ||
	    (isr->change == KB_ISR_EXPANDING && has(isr->next, isr->nnext, id));
}

int32_t
kb_isr_size_maximal(const struct kb_isr *isr)
{
	return isr->change == KB_ISR_EXPANDING ? isr->nnext : isr->n;
}

int
kb_isr_commit(struct kb_isr *isr, const int32_t *v, int32_t n)
{
	int32_t *copy = malloc((size_t)KC_MAX(n, 1) * sizeof *copy);

	if (copy == NULL)
		return KC_ENOMEM;
	if (n > 0)
		memcpy(copy, v, (size_t)n * sizeof *copy);
	kb_isr_fini(isr);
	isr->v = copy;
	isr->n = n;
	return KC_OK;
}

void
kb_isr_forget(struct kb_isr *isr)
{
	free(isr->next);
	isr->next = NULL;
	isr->nnext = 0;
	isr->change = KB_ISR_STABLE;
}

void
kb_isr_fini(struct kb_isr *isr)
{
	kb_isr_forget(isr);
	free(isr->v);
	isr->v = NULL;
	isr->n = 0;
}

/* Caught up, outside the set, and free to come in: about to join (HW-2). */
static bool
about_to_join(const struct kb_isr_view *v, const struct kb_remote *r)
{
	return kb_remote_caught_up(
		   r, v->leader_end, v->now_ms, v->lag_max_ms) &&
	    v->alive(v->arg, r->id);
}

int64_t
kb_isr_high_watermark(const struct kb_isr_view *v)
{
	int64_t hw = v->leader_end;

	if (v->isr->n < v->min_isr)
		return v->hw;
	/* A member that is no replica of ours has no known end. */
	for (int32_t i = 0; i < v->isr->n; i++) {
		bool known = v->isr->v[i] == v->me;

		for (int32_t j = 0; j < v->nremotes && !known; j++)
			known = v->remotes[j].id == v->isr->v[i];
		if (!known)
			return v->hw;
	}
	for (int32_t i = 0; i < v->nremotes; i++) {
		const struct kb_remote *r = &v->remotes[i];

		if (r->end < hw &&
		    (kb_isr_has_maximal(v->isr, r->id) || about_to_join(v, r)))
			hw = r->end;
	}
	return KC_MAX(hw, v->hw);
}

bool
kb_isr_may_join(const struct kb_isr_view *v, const struct kb_remote *r)
{
	return v->isr->change == KB_ISR_STABLE && !kb_isr_has(v->isr, r->id) &&
	    r->end >= 0 && r->end >= v->hw && r->end >= v->epoch_start &&
	    v->alive(v->arg, r->id);
}

int
kb_isr_expand(struct kb_isr *isr, int32_t id)
{
	int32_t *next = malloc(((size_t)isr->n + 1) * sizeof *next);

	KC_ASSERT(isr->change == KB_ISR_STABLE);
	if (next == NULL)
		return KC_ENOMEM;
	if (isr->n > 0)
		memcpy(next, isr->v, (size_t)isr->n * sizeof *next);
	next[isr->n] = id;
	isr->next = next;
	isr->nnext = isr->n + 1;
	isr->change = KB_ISR_EXPANDING;
	return KC_OK;
}

static bool
lags(const struct kb_isr_view *v, int32_t id)
{
	for (int32_t i = 0; i < v->nremotes; i++)
		if (v->remotes[i].id == id)
			return !kb_remote_caught_up(&v->remotes[i],
			    v->leader_end, v->now_ms, v->lag_max_ms);
	return false; /* ourselves, or nobody that we know */
}

int
kb_isr_shrink(struct kb_isr *isr, const struct kb_isr_view *v)
{
	int32_t *next, n = 0;

	if (isr->change != KB_ISR_STABLE)
		return KC_ENOENT;
	for (int32_t i = 0; i < isr->n; i++)
		n += !lags(v, isr->v[i]);
	if (n == isr->n || n == 0) /* it is never empty (ISR-4) */
		return KC_ENOENT;
	next = malloc((size_t)n * sizeof *next);
	if (next == NULL)
		return KC_ENOMEM;
	n = 0;
	for (int32_t i = 0; i < isr->n; i++)
		if (!lags(v, isr->v[i]))
			next[n++] = isr->v[i];
	isr->next = next;
	isr->nnext = n;
	isr->change = KB_ISR_SHRINKING;
	return KC_OK;
}

enum kb_isr_refusal
kb_isr_refused(int16_t code)
{
	switch (code) {
	case KP_OPERATION_NOT_ATTEMPTED:
	case KP_INELIGIBLE_REPLICA:
		return KB_ISR_BACK;
	case KP_UNKNOWN_TOPIC_OR_PARTITION:
	case KP_UNKNOWN_TOPIC_ID:
	case KP_FENCED_LEADER_EPOCH:
	case KP_INVALID_UPDATE_VERSION:
	case KP_INVALID_REQUEST:
	case KP_NEW_LEADER_ELECTED:
		return KB_ISR_WAIT;
	}
	return KB_ISR_AGAIN;
}

int64_t
kb_truncate_to(int32_t epoch, int64_t end, int32_t own_epoch, int64_t own_end,
    int64_t log_end, bool *done)
{
	*done = true;
	if (end < 0)
		return log_end;
	if (epoch < 0 || own_epoch < 0)
		return KC_MIN(end, log_end);
	if (own_epoch == epoch)
		return KC_MIN(KC_MIN(own_end, end), log_end);
	*done = false;
	return KC_MIN(own_end, log_end);
}
