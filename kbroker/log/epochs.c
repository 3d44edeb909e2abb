#include "kbroker/log/epochs.h"

#include "kbroker/log/checkpoint.h"
#include "kbroker/log/names.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdio.h>
#include <stdlib.h>

void
kb_epochs_init(struct kb_epochs *ep)
{
	memset(ep, 0, sizeof *ep);
}

void
kb_epochs_fini(struct kb_epochs *ep)
{
	free(ep->v);
	memset(ep, 0, sizeof *ep);
}

static int
push(struct kb_epochs *ep, int32_t epoch, int64_t start)
{
	struct kb_epoch *v;
	int cap;

	if (ep->n == ep->cap) {
		cap = ep->cap == 0 ? 2 : ep->cap * 2;
		if ((v = realloc(ep->v, (size_t)cap * sizeof *v)) == NULL)
			return KC_ENOMEM;
		ep->v = v;
		ep->cap = cap;
	}
	ep->v[ep->n].epoch = epoch;
	ep->v[ep->n++].start = start;
	return KC_OK;
}

int
kb_epochs_assign(struct kb_epochs *ep, int32_t epoch, int64_t start)
{
	const struct kb_epoch *last = ep->n > 0 ? &ep->v[ep->n - 1] : NULL;

	if (epoch < 0 || start < 0)
		return KC_EINVAL;
	if (last != NULL && last->epoch == epoch && last->start <= start)
		return KC_OK;
	while (ep->n > 0 &&
	    (ep->v[ep->n - 1].epoch >= epoch ||
		ep->v[ep->n - 1].start >= start))
		ep->n--;
	ep->dirty = true;
	return push(ep, epoch, start);
}

int32_t
kb_epochs_latest(const struct kb_epochs *ep)
{
	return ep->n > 0 ? ep->v[ep->n - 1].epoch : -1;
}

void
kb_epochs_end(const struct kb_epochs *ep, int32_t epoch, int64_t log_end,
    int32_t *found, int64_t *end)
{
	int hi;

	*found = -1;
	*end = -1;
	if (epoch < 0)
		return;
	if (epoch == kb_epochs_latest(ep)) {
		*found = epoch;
		*end = log_end;
		return;
	}
	for (hi = 0; hi < ep->n && ep->v[hi].epoch <= epoch; hi++)
		;
	if (hi == ep->n)
		return; /* newer than all we know, or we know none */
	/* Older than all we know: it ended where the first begins. */
	*found = hi > 0 ? ep->v[hi - 1].epoch : epoch;
	*end = ep->v[hi].start;
}

int32_t
kb_epochs_at(const struct kb_epochs *ep, int64_t offset)
{
	int i;

	for (i = ep->n - 1; i >= 0; i--)
		if (ep->v[i].start <= offset)
			return ep->v[i].epoch;
	return -1;
}

void
kb_epochs_cut_end(struct kb_epochs *ep, int64_t end)
{
	while (ep->n > 0 && ep->v[ep->n - 1].start >= end) {
		ep->n--;
		ep->dirty = true;
	}
}

void
kb_epochs_cut_start(struct kb_epochs *ep, int64_t start)
{
	int n;

	for (n = 0; n < ep->n && ep->v[n].start <= start; n++)
		;
	/* The last of those is the epoch of start itself. */
	if (n == 0 || (n == 1 && ep->v[0].start == start))
		return;
	ep->v[n - 1].start = start;
	ep->n -= n - 1;
	memmove(ep->v, ep->v + n - 1, (size_t)ep->n * sizeof *ep->v);
	ep->dirty = true;
}

void
kb_epochs_clear(struct kb_epochs *ep)
{
	if (ep->n > 0)
		ep->dirty = true;
	ep->n = 0;
}

int
kb_epochs_text(const struct kb_epochs *ep, char **p, size_t *len)
{
	FILE *out = open_memstream(p, len);
	int i;

	if (out == NULL)
		return KC_ENOMEM;
	fprintf(out, "0\n%d\n", ep->n);
	for (i = 0; i < ep->n; i++)
		fprintf(out, "%d %lld\n", ep->v[i].epoch,
		    (long long)ep->v[i].start);
	if (fclose(out) != 0) {
		free(*p);
		*p = NULL;
		return KC_ENOMEM;
	}
	return KC_OK;
}

static int
on_line(void *arg, const struct kc_str *tok, int ntok)
{
	struct kb_epochs *ep = arg;
	int64_t epoch, start;

	if (ntok != 2 || kc_str_i64(tok[0], &epoch) != KC_OK || epoch < 0 ||
	    epoch > INT32_MAX || kc_str_i64(tok[1], &start) != KC_OK ||
	    start < 0)
		return KC_ECORRUPT;
	return kb_epochs_assign(ep, (int32_t)epoch, start);
}

int
kb_epochs_load(struct kb_epochs *ep, const struct kc_file_ops *f, int dirfd,
    const char *folder)
{
	char path[KB_PATH_MAX];
	int rc;

	KC_ASSERT(ep->n == 0);
	(void)snprintf(path, sizeof path, "%s/" KB_EPOCHS_FILE, folder);
	rc = kb_checkpoint_read(f, dirfd, path, on_line, ep);
	ep->dirty = false;
	return rc == KC_ENOENT ? KC_OK : rc;
}
