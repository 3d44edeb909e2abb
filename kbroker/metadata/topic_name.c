#include "kbroker/metadata/topic_name.h"

bool
kb_topic_name_valid(struct kc_str name)
{
	int32_t i;

	if (name.len < 1 || name.len > KB_TOPIC_NAME_MAX ||
	    kc_str_eqz(name, ".") || kc_str_eqz(name, ".."))
		return false;
	for (i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '.' || c == '_' ||
			c == '-'))
			return false;
	}
	return true;
}

bool
kb_topic_name_internal(struct kc_str name)
{
	return kc_str_eqz(name, KB_TOPIC_OFFSETS) ||
	    kc_str_eqz(name, KB_TOPIC_TXN);
}

bool
kb_topic_name_collides(struct kc_str a, struct kc_str b)
{
	int32_t i;
	bool differ = false;

	if (a.len != b.len)
		return false;
	for (i = 0; i < a.len; i++) {
		char x = a.p[i] == '.' ? '_' : a.p[i];
		char y = b.p[i] == '.' ? '_' : b.p[i];

		if (x != y)
			return false;
		differ |= a.p[i] != b.p[i];
	}
	return differ;
}
