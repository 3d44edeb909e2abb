#include "kbroker/log/names.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/str.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_suffix[KB_FILE_KINDS] = {
	[KB_FILE_LOG] = ".log",
	[KB_FILE_INDEX] = ".index",
	[KB_FILE_TIMEINDEX] = ".timeindex",
	[KB_FILE_TXNINDEX] = ".txnindex",
	[KB_FILE_SNAPSHOT] = ".snapshot",
};

static const char *const state_suffix[] = {
	[KB_STATE_LIVE] = "",
	[KB_STATE_DELETED] = ".deleted",
	[KB_STATE_CLEANED] = ".cleaned",
	[KB_STATE_SWAP] = ".swap",
};

static const char *const folder_suffix[] = {
	[KB_FOLDER_CURRENT] = "",
	[KB_FOLDER_FUTURE] = "-future",
	[KB_FOLDER_STRAY] = "-stray",
	[KB_FOLDER_DELETE] = "-delete",
};

const char *
kb_name_file(char *buf, const char *folder, const struct kb_file_name *fn)
{
	int n = snprintf(buf, KB_PATH_MAX, "%s/%020lld%s%s", folder,
	    (long long)fn->base, kind_suffix[fn->kind],
	    state_suffix[fn->state]);

	KC_ASSERT(n > 0 && n < KB_PATH_MAX);
	return buf;
}

bool
kb_name_parse_file(const char *name, struct kb_file_name *fn)
{
	int64_t base = 0;
	size_t i, n;
	int k;

	for (i = 0; i < 20; i++) {
		if (name[i] < '0' || name[i] > '9' ||
		    __builtin_mul_overflow(base, 10, &base) ||
		    __builtin_add_overflow(base, name[i] - '0', &base))
			return false;
	}
	name += 20;
	for (k = 0; k < KB_FILE_KINDS; k++) {
		n = strlen(kind_suffix[k]);
		if (strncmp(name, kind_suffix[k], n) != 0)
			continue;
		for (i = 0; i < KC_COUNT(state_suffix); i++) {
			if (strcmp(name + n, state_suffix[i]) != 0)
				continue;
			fn->base = base;
			fn->kind = (enum kb_file_kind)k;
			fn->state = (enum kb_file_state)i;
			return true;
		}
	}
	return false;
}

static bool
ends_with(const char *s, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && strcmp(s + len - n, suffix) == 0;
}

/* "topic-partition" in name[0..len). */
static bool
parse_plain(const char *name, size_t len, struct kb_folder *f)
{
	const char *dash = memrchr(name, '-', len);
	int64_t partition;
	struct kc_str num;
	size_t tlen;

	if (dash == NULL || dash == name)
		return false;
	tlen = (size_t)(dash - name);
	num.p = dash + 1;
	num.len = (int32_t)(len - tlen - 1);
	/* kc_str_i64() would trim blanks, a file name must not have any. */
	if (num.len == 0 || num.p[0] < '0' || num.p[0] > '9' ||
	    kc_str_i64(num, &partition) != KC_OK || partition > INT32_MAX ||
	    num.p[num.len - 1] < '0' || num.p[num.len - 1] > '9')
		return false;
	memcpy(f->topic, name, tlen);
	f->topic[tlen] = '\0';
	f->partition = (int32_t)partition;
	return true;
}

bool
kb_name_parse_folder(const char *name, struct kb_folder *f)
{
	size_t len = strlen(name);
	const char *dot;
	size_t i;

	if (len == 0 || len >= KB_NAME_MAX)
		return false;
	f->kind = KB_FOLDER_CURRENT;
	for (i = 1; i < KC_COUNT(folder_suffix); i++) {
		if (!ends_with(name, len, folder_suffix[i]))
			continue;
		/* topic-partition.unique-suffix */
		dot = strrchr(name, '.');
		if (dot == NULL || dot[1] == '-' || strchr(name, ' ') != NULL)
			return false;
		f->kind = (enum kb_folder_kind)i;
		len = (size_t)(dot - name);
		break;
	}
	return parse_plain(name, len, f);
}

const char *
kb_name_delete(
    char *buf, const char *topic, int32_t partition, const uint8_t id[16])
{
	char tail[64];
	int n, i;

	n = snprintf(tail, sizeof tail, "-%d.", partition);
	for (i = 0; i < 16; i++)
		n += snprintf(tail + n, sizeof tail - (size_t)n, "%02x", id[i]);
	n += snprintf(tail + n, sizeof tail - (size_t)n, "-delete");
	(void)snprintf(
	    buf, KB_NAME_MAX, "%.*s%s", KB_NAME_MAX - 1 - n, topic, tail);
	return buf;
}

bool
kb_name_topic_ok(const char *topic)
{
	size_t len = strlen(topic);

	return len > 0 && len <= KB_TOPIC_MAX && strcmp(topic, ".") != 0 &&
	    strcmp(topic, "..") != 0 &&
	    strspn(topic,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-") == len;
}
