#include "kbroker/log/checkpoint.h"

#include "kcommon/base/err.h"

#include <stdio.h>
#include <stdlib.h>

/* The next line without its end; false when nothing is left. */
static bool
next_line(struct kc_str *rest, struct kc_str *line)
{
	const char *nl;
	int32_t len;

	if (rest->len <= 0)
		return false;
	nl = memchr(rest->p, '\n', (size_t)rest->len);
	len = nl == NULL ? rest->len : (int32_t)(nl - rest->p);
	*line = (struct kc_str){ rest->p, len };
	rest->p += len + (nl != NULL);
	rest->len -= len + (nl != NULL);
	return true;
}

/* Words of a line; more than KB_CHECKPOINT_WORDS give one more. */
static int
split(struct kc_str line, struct kc_str *tok)
{
	int32_t i = 0, from;
	int n = 0;

	for (;;) {
		while (i < line.len && strchr(" \t\r", line.p[i]) != NULL &&
		    line.p[i] != '\0')
			i++;
		if (i == line.len)
			return n;
		if (n == KB_CHECKPOINT_WORDS)
			return n + 1;
		for (from = i; i < line.len && line.p[i] != ' ' &&
		     line.p[i] != '\t' && line.p[i] != '\r';
		     i++)
			;
		tok[n++] = (struct kc_str){ line.p + from, i - from };
	}
}

static int
parse(struct kc_str text, int (*fn)(void *arg, const struct kc_str *tok, int n),
    void *arg)
{
	struct kc_str tok[KB_CHECKPOINT_WORDS];
	struct kc_str line;
	int64_t version, count, i;
	int rc;

	if (!next_line(&text, &line))
		return KC_OK; /* written by a broker that had no entries yet */
	if (kc_str_i64(line, &version) != KC_OK || version != 0)
		return KC_ECORRUPT;
	if (!next_line(&text, &line) || kc_str_i64(line, &count) != KC_OK ||
	    count < 0)
		return KC_ECORRUPT;
	for (i = 0; next_line(&text, &line); i++) {
		if (i == count)
			return KC_ECORRUPT;
		if ((rc = fn(arg, tok, split(line, tok))) != KC_OK)
			return rc;
	}
	return i == count ? KC_OK : KC_ECORRUPT;
}

int
kb_checkpoint_read(const struct kc_file_ops *f, int dirfd, const char *path,
    int (*line)(void *arg, const struct kc_str *tok, int n), void *arg)
{
	char *p = NULL;
	size_t len;
	int rc;

	rc = kc_file_slurp(f, dirfd, path, KB_CHECKPOINT_MAX, &p, &len);
	if (rc == KC_ELIMIT || rc == KC_EINVAL)
		return KC_ECORRUPT;
	if (rc != KC_OK)
		return rc;
	rc = parse((struct kc_str){ p, (int32_t)len }, line, arg);
	free(p);
	return rc;
}

void
kb_offsets_fini(struct kb_offsets *o)
{
	size_t i;

	for (i = 0; i < o->n; i++)
		free(o->v[i].topic);
	free(o->v);
	memset(o, 0, sizeof *o);
}

static int
add(struct kb_offsets *o, struct kc_str topic, int32_t partition,
    int64_t offset)
{
	struct kb_offset *v;
	size_t cap;

	if (o->n == o->cap) {
		cap = o->cap == 0 ? 16 : o->cap * 2;
		if ((v = realloc(o->v, cap * sizeof *v)) == NULL)
			return KC_ENOMEM;
		o->v = v;
		o->cap = cap;
	}
	v = &o->v[o->n];
	if ((v->topic = kc_str_dup(topic)) == NULL)
		return KC_ENOMEM;
	v->partition = partition;
	v->offset = offset;
	o->n++;
	return KC_OK;
}

int
kb_offsets_add(
    struct kb_offsets *o, const char *topic, int32_t partition, int64_t offset)
{
	return add(o, kc_str(topic), partition, offset);
}

static int
on_line(void *arg, const struct kc_str *tok, int n)
{
	int64_t partition, offset;

	if (n != 3 || kc_str_i64(tok[1], &partition) != KC_OK ||
	    partition < 0 || partition > INT32_MAX ||
	    kc_str_i64(tok[2], &offset) != KC_OK)
		return KC_ECORRUPT;
	return add(arg, tok[0], (int32_t)partition, offset);
}

static int
cmp(const void *a, const void *b)
{
	const struct kb_offset *x = a, *y = b;
	int c = strcmp(x->topic, y->topic);

	if (c != 0)
		return c;
	return (x->partition > y->partition) - (x->partition < y->partition);
}

int
kb_offsets_load(struct kb_offsets *o, const struct kc_file_ops *f, int dirfd,
    const char *name)
{
	int rc = kb_checkpoint_read(f, dirfd, name, on_line, o);

	if (rc == KC_OK && o->n > 0)
		qsort(o->v, o->n, sizeof *o->v, cmp);
	return rc;
}

bool
kb_offsets_find(const struct kb_offsets *o, const char *topic,
    int32_t partition, int64_t *offset)
{
	struct kb_offset key = { (char *)(uintptr_t)topic, partition, 0 };
	struct kb_offset *hit;

	if (o->n == 0)
		return false;
	hit = bsearch(&key, o->v, o->n, sizeof *o->v, cmp);
	if (hit != NULL)
		*offset = hit->offset;
	return hit != NULL;
}

int
kb_offsets_text(const struct kb_offsets *o, char **p, size_t *len)
{
	FILE *out = open_memstream(p, len);
	size_t i;

	if (out == NULL)
		return KC_ENOMEM;
	fprintf(out, "0\n%zu\n", o->n);
	for (i = 0; i < o->n; i++)
		fprintf(out, "%s %d %lld\n", o->v[i].topic, o->v[i].partition,
		    (long long)o->v[i].offset);
	if (fclose(out) == 0)
		return KC_OK;
	free(*p);
	*p = NULL;
	return KC_ENOMEM;
}
