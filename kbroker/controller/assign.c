#include "kbroker/controller/assign.h"

#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>

struct spread {
	struct kb_assign_broker *b; /* in the order to walk */
	int32_t n;
	int32_t nracks; /* 0: no racks */
};

static int
by_id(const void *x, const void *y)
{
	const struct kb_assign_broker *a = x, *b = y;

	return (a->id > b->id) - (a->id < b->id);
}

static int
by_rack_and_id(const void *x, const void *y)
{
	const struct kb_assign_broker *a = x, *b = y;
	int c = strcmp(a->rack, b->rack);

	return c != 0 ? c : by_id(x, y);
}

/* The j-th follower's place: never the leader's own, wraps over the others. */
static int32_t
follower_at(int32_t first, int64_t shift, int64_t j, int32_t n)
{
	int64_t step = 1 + (shift + j) % (n - 1);

	return (int32_t)((first + step) % n);
}

/* One broker of each rack in turn: r1b1 r2b1 r3b1 r1b2 ... */
static void
alternate_racks(struct spread *s, struct kb_assign_broker *sorted)
{
	int32_t done = 0, round = 0;

	while (done < s->n) {
		int32_t in_rack = 0;

		for (int32_t i = 0; i < s->n; i++) {
			if (i > 0 &&
			    strcmp(sorted[i].rack, sorted[i - 1].rack) != 0)
				in_rack = 0;
			if (in_rack++ == round)
				s->b[done++] = sorted[i];
		}
		round++;
	}
}

static int
spread_open(struct spread *s, const struct kb_assign *a)
{
	int32_t with_rack = 0;
	struct kb_assign_broker *sorted;

	s->n = a->nbrokers;
	s->nracks = 0;
	for (int32_t i = 0; i < a->nbrokers; i++)
		with_rack += a->brokers[i].rack != NULL;
	if (with_rack != 0 && with_rack != a->nbrokers)
		return KC_EINVAL;
	s->b = calloc((size_t)a->nbrokers, sizeof *s->b);
	if (s->b == NULL)
		return KC_ENOMEM;
	memcpy(s->b, a->brokers, (size_t)a->nbrokers * sizeof *s->b);
	if (with_rack == 0) {
		qsort(s->b, (size_t)s->n, sizeof *s->b, by_id);
		return KC_OK;
	}
	sorted = calloc((size_t)s->n, sizeof *sorted);
	if (sorted == NULL) {
		free(s->b);
		return KC_ENOMEM;
	}
	memcpy(sorted, s->b, (size_t)s->n * sizeof *sorted);
	qsort(sorted, (size_t)s->n, sizeof *sorted, by_rack_and_id);
	for (int32_t i = 0; i < s->n; i++)
		s->nracks +=
		    i == 0 || strcmp(sorted[i].rack, sorted[i - 1].rack) != 0;
	alternate_racks(s, sorted);
	free(sorted);
	return KC_OK;
}

static bool
has_broker(const int32_t *ids, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static const char *
rack_of(const struct spread *s, int32_t id)
{
	for (int32_t i = 0; i < s->n; i++)
		if (s->b[i].id == id)
			return s->b[i].rack;
	return NULL;
}

/* How many racks the replicas chosen so far lie in, and is rack one of them */
static int32_t
racks_used(const struct spread *s, const int32_t *ids, int32_t n,
    const char *rack, bool *used)
{
	int32_t count = 0;

	*used = false;
	for (int32_t i = 0; i < n; i++) {
		const char *r = rack_of(s, ids[i]);
		bool seen = false;

		for (int32_t j = 0; j < i && !seen; j++)
			seen = strcmp(r, rack_of(s, ids[j])) == 0;
		count += !seen;
		*used = *used || strcmp(r, rack) == 0;
	}
	return count;
}

static void
followers_by_rack(const struct spread *s, int32_t first, int64_t shift,
    int32_t replication, int32_t *out)
{
	int64_t k = 0;

	for (int32_t got = 1; got < replication; k++) {
		int32_t at = follower_at(first, shift * s->nracks, k, s->n);
		const struct kb_assign_broker *b = &s->b[at];
		bool used;
		int32_t racks = racks_used(s, out, got, b->rack, &used);

		if (used && racks < s->nracks)
			continue;
		if (has_broker(out, got, b->id))
			continue;
		out[got++] = b->id;
	}
}

int
kb_assign_replicas(const struct kb_assign *a, int32_t *out)
{
	struct spread s;
	int64_t shift = a->shift;
	int rc;

	if (a->replication < 1 || a->replication > a->nbrokers)
		return KC_EINVAL;
	if ((rc = spread_open(&s, a)) != KC_OK)
		return rc;
	for (int32_t i = 0; i < a->npartitions; i++) {
		int32_t p = a->first_partition + i;
		int32_t *row = out + (size_t)i * (size_t)a->replication;
		int32_t first = (int32_t)(((int64_t)p + a->start) % s.n);

		if (p > 0 && p % s.n == 0)
			shift++;
		row[0] = s.b[first].id;
		if (s.nracks > 0) {
			followers_by_rack(
			    &s, first, shift, a->replication, row);
			continue;
		}
		for (int32_t j = 0; j + 1 < a->replication; j++)
			row[j + 1] = s.b[follower_at(first, shift, j, s.n)].id;
	}
	free(s.b);
	return KC_OK;
}
