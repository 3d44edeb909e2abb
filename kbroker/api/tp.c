#include "kbroker/api/tp.h"

#include <stdlib.h>

int
kb_tp_cmp(const void *a, const void *b)
{
	const struct kb_tp *x = a, *y = b;
	int diff = kc_str_cmp(x->topic, y->topic);

	return diff != 0 ? diff : (x->index > y->index) - (x->index < y->index);
}

void
kb_tp_sort(struct kb_tp *v, size_t n)
{
	if (n > 0)
		qsort(v, n, sizeof *v, kb_tp_cmp);
}

bool
kb_tp_has(const struct kb_tp *v, size_t n, struct kc_str topic, int32_t index)
{
	struct kb_tp key = { topic, index };

	return n > 0 && bsearch(&key, v, n, sizeof key, kb_tp_cmp) != NULL;
}
