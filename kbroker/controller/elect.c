#include "kbroker/controller/elect.h"

#include "kcommon/base/assert.h"

static bool
can_lead(enum kb_elect_strategy strategy, const struct kb_elect_replica *r)
{
	switch (strategy) {
	case KB_ELECT_OFFLINE:
	case KB_ELECT_UNCLEAN:
	case KB_ELECT_PREFERRED:
		return r->online && !r->shutting_down && r->in_isr;
	case KB_ELECT_REASSIGN:
		return r->online && !r->shutting_down && r->in_isr && r->target;
	case KB_ELECT_SHUTDOWN:
		return r->online && r->in_isr && !r->shutting_down;
	}
	return false;
}

static const struct kb_elect_replica *
find(const struct kb_elect_replica *replicas, int32_t n, int32_t broker)
{
	for (int32_t i = 0; i < n; i++)
		if (replicas[i].broker == broker)
			return &replicas[i];
	return NULL;
}

/* Which of the stored ISR stays when a leader was found in it. */
static bool
stays(enum kb_elect_strategy strategy, const struct kb_elect_replica *r)
{
	switch (strategy) {
	case KB_ELECT_OFFLINE:
	case KB_ELECT_UNCLEAN:
		return r != NULL && r->online && !r->shutting_down;
	case KB_ELECT_SHUTDOWN:
		return r == NULL || !r->shutting_down;
	case KB_ELECT_REASSIGN:
	case KB_ELECT_PREFERRED:
		return true;
	}
	return true;
}

void
kb_elect(enum kb_elect_strategy strategy, bool unclean_allowed,
    const struct kb_elect_replica *replicas, int32_t n, const int32_t *isr_now,
    int32_t nisr_now, struct kb_elect_result *res)
{
	int32_t tries = strategy == KB_ELECT_PREFERRED ? KC_MIN(n, 1) : n;

	res->leader = -1;
	res->nisr = 0;
	res->unclean = false;
	for (int32_t i = 0; i < tries && res->leader < 0; i++)
		if (can_lead(strategy, &replicas[i]))
			res->leader = replicas[i].broker;
	if (res->leader >= 0) {
		for (int32_t i = 0; i < nisr_now; i++)
			if (stays(strategy, find(replicas, n, isr_now[i])))
				res->isr[res->nisr++] = isr_now[i];
		KC_ASSERT(res->nisr > 0);
		return;
	}
	if (strategy == KB_ELECT_UNCLEAN)
		unclean_allowed = true;
	else if (strategy != KB_ELECT_OFFLINE)
		unclean_allowed = false;
	if (!unclean_allowed)
		return;
	for (int32_t i = 0; i < n; i++) {
		if (!replicas[i].online || replicas[i].shutting_down)
			continue;
		res->leader = replicas[i].broker;
		res->isr[res->nisr++] = res->leader;
		res->unclean = true;
		return;
	}
}

int32_t
kb_elect_remove_isr(int32_t *isr, int32_t nisr, int32_t gone, int32_t *leader)
{
	int32_t kept = 0;

	if (*leader == gone)
		*leader = -1;
	if (nisr == 1 && isr[0] == gone)
		return 1; /* the last member stays, ISR-4 */
	for (int32_t i = 0; i < nisr; i++)
		if (isr[i] != gone)
			isr[kept++] = isr[i];
	return kept;
}

bool
kb_imbalanced(int32_t away, int32_t total, int32_t percent)
{
	return (int64_t)away * 100 > (int64_t)total * percent;
}
