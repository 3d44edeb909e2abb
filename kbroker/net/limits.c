#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/str.h"
#include "kbroker/net/net_priv.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct kb_ip_count {
	char ip[KC_ADDR_TEXT];
	int n; /* > 0 */
	UT_hash_handle hh;
};

struct kb_ip_limit {
	char ip[KC_ADDR_TEXT];
	int max;
	UT_hash_handle hh;
};

static void
free_overrides(struct kb_ip_limit *table)
{
	struct kb_ip_limit *o, *tmp;

	HASH_ITER(hh, table, o, tmp) {
		HASH_DEL(table, o);
		free(o);
	}
}

static int
add_override(struct kb_ip_limit **table, const char *ip, int max)
{
	struct kb_ip_limit *o;

	HASH_FIND_STR(*table, ip, o);
	if (o == NULL) {
		if ((o = calloc(1, sizeof *o)) == NULL)
			return KC_ENOMEM;
		snprintf(o->ip, sizeof o->ip, "%s", ip);
		HASH_ADD_STR(*table, ip, o);
	}
	o->max = max;
	return KC_OK;
}

/* Kafka resolves a name to its first address; we take all it has. */
static int
add_host(struct kb_ip_limit **table, const char *host, int max)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *res = NULL, *ai;
	char ip[KC_ADDR_TEXT];
	int rc = KC_OK;

	if (getaddrinfo(host, NULL, &hints, &res) != 0)
		return KC_EINVAL;
	for (ai = res; ai != NULL && rc == KC_OK; ai = ai->ai_next)
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, ip, sizeof ip,
			NULL, 0, NI_NUMERICHOST) == 0)
			rc = add_override(table, ip, max);
	freeaddrinfo(res);
	return rc;
}

/* "host:n,host:n"; the host may be an IPv6 address, with or without []. */
static int
parse_overrides(const char *text, struct kb_ip_limit **table)
{
	struct kc_str rest = kc_str(text), tok, host;
	char name[256];
	int64_t max;
	int32_t i;
	int rc = KC_OK;

	while (rc == KC_OK && kc_str_split(&rest, ',', &tok)) {
		tok = kc_str_trim(tok);
		if (tok.len == 0)
			continue;
		for (i = tok.len - 1; i > 0 && tok.p[i] != ':'; i--)
			;
		host = (struct kc_str){ tok.p, i };
		if (kc_str_i64(
			(struct kc_str){ tok.p + i + 1, tok.len - i - 1 },
			&max) != KC_OK ||
		    i <= 0 || max < 0 || max > INT_MAX)
			return KC_EINVAL;
		if (host.p[0] == '[' && host.p[host.len - 1] == ']')
			host = (struct kc_str){ host.p + 1, host.len - 2 };
		if (host.len <= 0 || host.len >= (int32_t)sizeof name)
			return KC_EINVAL;
		snprintf(name, sizeof name, "%.*s", KC_STR_ARG(host));
		rc = add_host(table, name, (int)max);
	}
	return rc;
}

int
kb_limits_init(
    struct kb_limits *l, int max, int max_per_ip, const char *overrides)
{
	memset(l, 0, sizeof *l);
	kc_lock_init(&l->lock, 0, "net limits");
	return kb_limits_set(l, max, max_per_ip, overrides);
}

void
kb_limits_fini(struct kb_limits *l)
{
	struct kb_ip_count *c, *tmp;

	HASH_ITER(hh, l->ips, c, tmp) {
		HASH_DEL(l->ips, c);
		free(c);
	}
	free_overrides(l->overrides);
	l->overrides = NULL;
	kc_lock_fini(&l->lock);
}

int
kb_limits_set(
    struct kb_limits *l, int max, int max_per_ip, const char *overrides)
{
	struct kb_ip_limit *table = NULL, *old;
	int rc;

	if (overrides != NULL &&
	    (rc = parse_overrides(overrides, &table)) != KC_OK) {
		free_overrides(table);
		return rc;
	}
	kc_lock_take(&l->lock);
	l->max = max;
	l->max_per_ip = max_per_ip;
	old = l->overrides;
	l->overrides = table;
	kc_lock_drop(&l->lock);
	free_overrides(old);
	return KC_OK;
}

int
kb_limits_enter(struct kb_limits *l, const char *ip, int *limit)
{
	struct kb_ip_limit *o;
	struct kb_ip_count *c;
	int rc = KC_OK;

	kc_lock_take(&l->lock);
	HASH_FIND_STR(l->overrides, ip, o);
	*limit = o != NULL ? o->max : l->max_per_ip;
	HASH_FIND_STR(l->ips, ip, c);
	if (*limit <= (c == NULL ? 0 : c->n)) {
		rc = KC_ELIMIT;
	} else if (c == NULL) {
		if ((c = calloc(1, sizeof *c)) == NULL) {
			rc = KC_ENOMEM;
		} else {
			snprintf(c->ip, sizeof c->ip, "%s", ip);
			HASH_ADD_STR(l->ips, ip, c);
		}
	}
	if (rc == KC_OK) {
		c->n++;
		l->total++;
	}
	kc_lock_drop(&l->lock);
	return rc;
}

void
kb_limits_leave(struct kb_limits *l, const char *ip)
{
	struct kb_ip_count *c;

	kc_lock_take(&l->lock);
	HASH_FIND_STR(l->ips, ip, c);
	KC_ASSERT(c != NULL && c->n > 0 && l->total > 0);
	l->total--;
	if (--c->n == 0) {
		HASH_DEL(l->ips, c);
		free(c);
	}
	kc_lock_drop(&l->lock);
}

bool
kb_limits_full(struct kb_limits *l)
{
	bool full;

	kc_lock_take(&l->lock);
	full = l->total >= l->max;
	kc_lock_drop(&l->lock);
	return full;
}

bool
kb_limits_over(struct kb_limits *l)
{
	bool over;

	kc_lock_take(&l->lock);
	over = l->total > l->max;
	kc_lock_drop(&l->lock);
	return over;
}
