/*
 * token -- /delegation_token/tokens/<id>.  Kafka: DelegationTokenManagerZk.
 * Principals are sanitized in the node: "User%3Aa".
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"
#include "kzk/path.h"

#include <stdlib.h>
#include <string.h>

static struct kc_str
restore(struct kzk_in *in, struct kc_str s)
{
	size_t cap;
	char *p;

	if (in->err != KC_OK || s.p == NULL)
		return KC_STR_NULL;
	cap = (size_t)s.len + 1;
	if ((p = kc_arena_alloc(in->mem, cap)) == NULL)
		kzk_in_fail(in, KC_ENOMEM);
	else if (kzk_restore(s, p, cap) != KC_OK)
		kzk_in_fail(in, KC_EMALFORMED);
	return in->err == KC_OK ? kc_str(p) : KC_STR_NULL;
}

static void
read_renewers(struct kzk_in *in, struct kzk_token *t)
{
	json_t *arr = kzk_in_arr(in, in->root, "renewers", true);
	int32_t n = kzk_in_count(in, arr, KZK_ENTRIES_MAX);

	t->renewers.v = kzk_in_array(in, n, sizeof *t->renewers.v);
	for (int32_t i = 0; i < n && in->err == KC_OK; i++)
		t->renewers.v[t->renewers.n++] = restore(
		    in, kzk_in_value_str(in, json_array_get(arr, (size_t)i)));
}

int
kzk_token_decode(struct kc_str data, struct kzk_token *out)
{
	struct kzk_in in;
	int64_t version;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, &out->mem);
	version = kzk_in_int(&in, in.root, "version", 1, INT32_MAX);
	out->owner = restore(&in, kzk_in_str(&in, in.root, "owner"));
	out->requester = version < 3 ?
	    out->owner :
	    restore(&in, kzk_in_str(&in, in.root, "tokenRequester"));
	read_renewers(&in, out);
	out->issue_ms =
	    kzk_in_int(&in, in.root, "issueTimestamp", INT64_MIN, INT64_MAX);
	out->max_ms =
	    kzk_in_int(&in, in.root, "maxTimestamp", INT64_MIN, INT64_MAX);
	out->expiry_ms =
	    kzk_in_int(&in, in.root, "expiryTimestamp", INT64_MIN, INT64_MAX);
	out->token_id = kzk_in_str(&in, in.root, "tokenId");
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

/* Sanitized; NULL: no memory. */
static char *
sanitized(struct kc_str s)
{
	size_t cap = (size_t)KC_MAX(s.len, 0) * 3 + 4;
	char *p = malloc(cap);

	if (p != NULL && kzk_sanitize(s, p, cap) != KC_OK) {
		free(p);
		return NULL;
	}
	return p;
}

static void
out_principal(struct kzk_out *o, const char *key, struct kc_str s)
{
	char *p = sanitized(s);

	if (p == NULL)
		o->err = KC_ENOMEM;
	kzk_out_str(o, o->root, key, kc_str(p));
	free(p);
}

int
kzk_token_encode(const struct kzk_token *in, struct kzk_text *out)
{
	struct kzk_out o;
	json_t *arr;
	char *p;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 3);
	out_principal(&o, "owner", in->owner);
	out_principal(&o, "tokenRequester", in->requester);
	arr = kzk_out_arr(&o, o.root, "renewers");
	for (int32_t i = 0; i < in->renewers.n; i++) {
		if ((p = sanitized(in->renewers.v[i])) == NULL)
			o.err = KC_ENOMEM;
		kzk_out_arr_str(&o, arr, kc_str(p));
		free(p);
	}
	kzk_out_int(&o, o.root, "issueTimestamp", in->issue_ms);
	kzk_out_int(&o, o.root, "maxTimestamp", in->max_ms);
	kzk_out_int(&o, o.root, "expiryTimestamp", in->expiry_ms);
	kzk_out_str(&o, o.root, "tokenId", in->token_id);
	return kzk_out_end(&o, out);
}

void
kzk_token_fini(struct kzk_token *t)
{
	kc_arena_fini(&t->mem);
	memset(t, 0, sizeof *t);
}
