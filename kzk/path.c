#include "kzk/path.h"

#include "kcommon/base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends to a path being built; errors stick in *rc. */
static void
put(struct kzk_path *p, size_t *len, const char *s, size_t n, int *rc)
{
	if (*rc != KC_OK)
		return;
	if (n >= sizeof p->s - *len) {
		*rc = KC_ELIMIT;
		return;
	}
	memcpy(p->s + *len, s, n);
	*len += n;
	p->s[*len] = '\0';
}

/* "/" and a name that came from outside. */
static void
put_name(struct kzk_path *p, size_t *len, struct kc_str name, int *rc)
{
	if (name.len <= 0 || kc_str_eqz(name, ".") || kc_str_eqz(name, ".."))
		*rc = *rc == KC_OK ? KC_EINVAL : *rc;
	for (int32_t i = 0; i < name.len && *rc == KC_OK; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < 0x20 || c == 0x7f || c == '/')
			*rc = KC_EINVAL;
	}
	put(p, len, "/", 1, rc);
	put(p, len, name.p, name.len < 0 ? 0 : (size_t)name.len, rc);
}

static int
build(struct kzk_path *p, const char *dir, const struct kc_str *names,
    size_t nnames, const char *tail)
{
	size_t len = 0;
	int rc = KC_OK;

	p->s[0] = '\0';
	put(p, &len, dir, strlen(dir), &rc);
	for (size_t i = 0; i < nnames; i++)
		put_name(p, &len, names[i], &rc);
	put(p, &len, tail, strlen(tail), &rc);
	if (rc != KC_OK)
		p->s[0] = '\0';
	return rc;
}

static int
build1(
    struct kzk_path *p, const char *dir, struct kc_str name, const char *tail)
{
	return build(p, dir, &name, 1, tail);
}

const char *
kzk_config_type_name(enum kzk_config_type type)
{
	static const char *const names[KZK_CONFIG_TYPES] = {
		[KZK_CONFIG_TOPICS] = "topics",
		[KZK_CONFIG_BROKERS] = "brokers",
		[KZK_CONFIG_CLIENTS] = "clients",
		[KZK_CONFIG_USERS] = "users",
		[KZK_CONFIG_IPS] = "ips",
	};

	return names[type];
}

bool
kzk_topic_name_ok(struct kc_str name)
{
	if (name.len < 1 || name.len > KZK_TOPIC_NAME_MAX)
		return false;
	if (kc_str_eqz(name, ".") || kc_str_eqz(name, ".."))
		return false;
	for (int32_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '.' || c == '_' ||
			c == '-'))
			return false;
	}
	return true;
}

int
kzk_path_broker(struct kzk_path *p, int32_t broker)
{
	snprintf(p->s, sizeof p->s, KZK_BROKER_IDS "/%" PRId32, broker);
	return broker < 0 ? KC_EINVAL : KC_OK;
}

static int
topic_path(
    struct kzk_path *p, const char *dir, struct kc_str topic, const char *tail)
{
	if (!kzk_topic_name_ok(topic)) {
		p->s[0] = '\0';
		return KC_EINVAL;
	}
	return build1(p, dir, topic, tail);
}

int
kzk_path_topic(struct kzk_path *p, struct kc_str topic)
{
	return topic_path(p, KZK_TOPICS, topic, "");
}

int
kzk_path_partitions(struct kzk_path *p, struct kc_str topic)
{
	return topic_path(p, KZK_TOPICS, topic, "/partitions");
}

int
kzk_path_partition(struct kzk_path *p, struct kc_str topic, int32_t part)
{
	char tail[40];

	snprintf(tail, sizeof tail, "/partitions/%" PRId32, part);
	return part < 0 ? KC_EINVAL : topic_path(p, KZK_TOPICS, topic, tail);
}

int
kzk_path_state(struct kzk_path *p, struct kc_str topic, int32_t part)
{
	char tail[40];

	snprintf(tail, sizeof tail, "/partitions/%" PRId32 "/state", part);
	return part < 0 ? KC_EINVAL : topic_path(p, KZK_TOPICS, topic, tail);
}

int
kzk_path_delete_topic(struct kzk_path *p, struct kc_str topic)
{
	return topic_path(p, KZK_DELETE_TOPICS, topic, "");
}

int
kzk_path_config(
    struct kzk_path *p, enum kzk_config_type type, struct kc_str entity)
{
	const struct kc_str names[] = { kc_str(kzk_config_type_name(type)),
		entity };

	if (type == KZK_CONFIG_TOPICS && !kzk_topic_name_ok(entity))
		return KC_EINVAL;
	return build(p, "/config", names, 2, "");
}

int
kzk_path_config_root(struct kzk_path *p, enum kzk_config_type type)
{
	return build1(p, "/config", kc_str(kzk_config_type_name(type)), "");
}

int
kzk_path_user_clients(struct kzk_path *p, struct kc_str user)
{
	return build1(p, "/config/users", user, "/clients");
}

int
kzk_path_user_client(
    struct kzk_path *p, struct kc_str user, struct kc_str client)
{
	const struct kc_str names[] = { user, KC_STR_LIT("clients"), client };

	return build(p, "/config/users", names, 3, "");
}

int
kzk_path_entity(struct kzk_path *p, struct kc_str entity_path)
{
	struct kc_str names[4], rest = entity_path;
	size_t n = 0;

	while (n < KC_COUNT(names) && kc_str_split(&rest, '/', &names[n]))
		n++;
	/* Type and entity, or users/U/clients/C. */
	if ((n != 2 && n != 4) || rest.p != NULL)
		return KC_EINVAL;
	if (n == 4 &&
	    (!kc_str_eqz(names[0], "users") ||
		!kc_str_eqz(names[2], "clients")))
		return KC_EINVAL;
	return build(p, "/config", names, n, "");
}

int
kzk_path_acl(
    struct kzk_path *p, bool prefixed, const char *type, struct kc_str name)
{
	const struct kc_str names[] = { kc_str(type), name };

	return build(
	    p, prefixed ? KZK_ACL_EXTENDED "/prefixed" : KZK_ACL, names, 2, "");
}

int
kzk_path_acl_type(struct kzk_path *p, bool prefixed, const char *type)
{
	return build1(p, prefixed ? KZK_ACL_EXTENDED "/prefixed" : KZK_ACL,
	    kc_str(type), "");
}

int
kzk_path_token(struct kzk_path *p, struct kc_str token_id)
{
	return build1(p, KZK_TOKENS, token_id, "");
}

int
kzk_path_old_offset(
    struct kzk_path *p, struct kc_str group, struct kc_str topic, int32_t part)
{
	const struct kc_str names[] = { group, KC_STR_LIT("offsets"), topic };
	char tail[16];

	if (part < 0 || !kzk_topic_name_ok(topic))
		return KC_EINVAL;
	snprintf(tail, sizeof tail, "/%" PRId32, part);
	return build(p, KZK_CONSUMERS, names, 3, tail);
}

int
kzk_path_child(struct kzk_path *p, const char *dir, struct kc_str name)
{
	return build1(p, dir, name, "");
}

int
kzk_path_seq(struct kzk_path *p, const char *dir, const char *prefix)
{
	return build1(p, dir, kc_str(prefix), "");
}

int
kzk_seq_number(struct kc_str name, const char *prefix, int64_t *number)
{
	size_t len = strlen(prefix);

	if (name.len < 0 || (size_t)name.len <= len ||
	    memcmp(name.p, prefix, len) != 0)
		return KC_EMALFORMED;
	name.p += len;
	name.len -= (int32_t)len;
	/* ZooKeeper's counter is 32 bits; it may wrap to a minus sign. */
	if (name.len > 11 || kc_str_i64(name, number) != KC_OK)
		return KC_EMALFORMED;
	return KC_OK;
}

/* --- Sanitizer -------------------------------------------------------------
 */

static bool
plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

int
kzk_sanitize(struct kc_str name, char *buf, size_t cap)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t len = 0;

	for (int32_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (len + 4 > cap)
			return KC_ELIMIT;
		if (plain(c)) {
			buf[len++] = (char)c;
			continue;
		}
		buf[len++] = '%';
		buf[len++] = hex[c >> 4];
		buf[len++] = hex[c & 15];
	}
	if (len >= cap)
		return KC_ELIMIT;
	buf[len] = '\0';
	return KC_OK;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* URLDecoder: '+' is a blank too. */
int
kzk_restore(struct kc_str s, char *buf, size_t cap)
{
	size_t len = 0;
	int hi, lo;

	for (int32_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '%') {
			if (s.len - i < 3 || (hi = hex_digit(s.p[i + 1])) < 0 ||
			    (lo = hex_digit(s.p[i + 2])) < 0)
				return KC_EMALFORMED;
			c = (char)(hi * 16 + lo);
			i += 2;
		} else if (c == '+')
			c = ' ';
		if (c == '\0')
			return KC_EMALFORMED;
		if (len + 1 >= cap)
			return KC_ELIMIT;
		buf[len++] = c;
	}
	if (cap == 0)
		return KC_ELIMIT;
	buf[len] = '\0';
	return KC_OK;
}

/* --- zookeeper.set.acl ------------------------------------------------------
 */

bool
kzk_path_sensitive(const char *path)
{
	static const char *const prefixes[] = { "/config/users",
		"/config/brokers", KZK_TOKENS };

	for (size_t i = 0; i < KC_COUNT(prefixes); i++)
		if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

bool
kzk_path_open(const char *path)
{
	return strcmp(path, KZK_CONSUMERS) == 0;
}
