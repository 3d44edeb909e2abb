#include "kbroker/metadata/cache.h"

static void
ref(void *obj)
{
	kb_meta_ref(obj);
}

static void
unref(void *obj)
{
	struct kb_meta *m = obj;

	kb_meta_unref(&m);
}

void
kb_meta_cache_init(struct kb_meta_cache *c, struct kb_meta *m)
{
	KC_CHECK(m, KB_META_MAGIC);
	kc_published_init(&c->pub, ref, unref, m);
}

void
kb_meta_cache_fini(struct kb_meta_cache *c)
{
	kc_published_fini(&c->pub);
}

void
kb_meta_publish(struct kb_meta_cache *c, struct kb_meta *m)
{
	KC_CHECK(m, KB_META_MAGIC);
	kc_published_set(&c->pub, m);
}

const struct kb_meta *
kb_meta_read(struct kb_meta_cache *c, struct kb_meta_slot *s)
{
	return kc_published_read(&c->pub, &s->slot);
}

void
kb_meta_release(struct kb_meta_cache *c, struct kb_meta_slot *s)
{
	kc_published_release(&c->pub, &s->slot);
}

struct kb_meta *
kb_meta_get(struct kb_meta_cache *c)
{
	return kc_published_get(&c->pub);
}
