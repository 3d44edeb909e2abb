#include "kcommon/base/err.h"
#include "kcommon/config/conf.h"
#include "kcommon/config/conf_doc.h"
#include "kcommon/config/conf_table.h"

#include <criterion/criterion.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

struct fields {
	bool b;
	int32_t i;
	int16_t s;
	int64_t l;
	double d;
	char *str;
	char *pw;
	struct kc_conf_list list;
	struct kc_conf_list none;
};

static const char *
not_seven(const char *text)
{
	return strcmp(text, "7") == 0 ? "seven is taken" : NULL;
}

#define AT(f) .off = offsetof(struct fields, f)

static const struct kc_conf_item items[] = {
	{ .name = "b",
	    .type = KC_CONF_BOOL,
	    AT(b),
	    .dflt = "true",
	    DOC("A bool.") },
	{ .name = "i",
	    .type = KC_CONF_INT,
	    AT(i),
	    .dflt = "5",
	    RANGE(1, 9),
	    CHECK(not_seven),
	    DOC("An int.") },
	{ .name = "s",
	    .type = KC_CONF_SHORT,
	    AT(s),
	    .dflt = NULL,
	    DOC(".hidden - macro.") },
	{ .name = "l",
	    .type = KC_CONF_LONG,
	    AT(l),
	    .dflt = NULL,
	    MIN(0),
	    .state = KC_CONF_IDLE,
	    WHY("of | this"),
	    DOC("A long.") },
	{ .name = "d",
	    .type = KC_CONF_DOUBLE,
	    AT(d),
	    .dflt = "0.5",
	    RANGE(0, 1),
	    DOC("A double.") },
	{ .name = "str",
	    .type = KC_CONF_STRING,
	    AT(str),
	    .dflt = "",
	    ONEOF(",one,two"),
	    DOC("A string.") },
	{ .name = "pw",
	    .type = KC_CONF_PASSWORD,
	    AT(pw),
	    .dflt = NULL,
	    FLAGS(KC_CONF_NONEMPTY),
	    DOC("A password.") },
	{ .name = "list",
	    .type = KC_CONF_LIST,
	    AT(list),
	    .dflt = "x",
	    ONEOF("x,y"),
	    DOC("A list.") },
	{ .name = "none",
	    .type = KC_CONF_LIST,
	    AT(none),
	    .dflt = NULL,
	    FLAGS(KC_CONF_HIDDEN),
	    DOC("Not listed.") },
};
static const struct kc_conf_table table = { items, KC_COUNT(items) };

static const struct kc_conf_item *
item(const char *name)
{
	const struct kc_conf_item *it = kc_conf_find(&table, name);

	cr_assert_not_null(it);
	return it;
}

static void
expect_bad(const char *name, const char *text, const char *why)
{
	char err[KC_CONF_ERR_MAX] = "";

	cr_expect_eq(kc_conf_check(item(name), text, err, sizeof err),
	    KC_EINVAL, "%s=%s", name, text);
	cr_expect_str_eq(err, why);
}

static void
expect_good(const char *name, const char *text, const char *normal)
{
	char err[KC_CONF_ERR_MAX] = "", *s;

	cr_assert_eq(kc_conf_check(item(name), text, err, sizeof err), KC_OK,
	    "%s=%s: %s", name, text, err);
	s = kc_conf_normal(item(name), text);
	cr_expect_str_eq(s, normal);
	free(s);
}

#define BAD(name, text, why)                                                   \
	expect_bad(name, text,                                                 \
	    "Invalid value " text " for configuration " name ": " why)

Test(conf, bad_values)
{
	BAD("b", "yes", "Expected value to be either true or false");
	BAD("b", "", "Expected value to be either true or false");
	BAD("i", "", "Not a number of type INT");
	BAD("i", "-", "Not a number of type INT");
	BAD("i", "1 2", "Not a number of type INT");
	BAD("i", "0x1", "Not a number of type INT");
	BAD("i", "1.0", "Not a number of type INT");
	BAD("i", "2147483648", "Not a number of type INT");
	BAD("i", "99999999999999999999", "Not a number of type INT");
	BAD("i", "0", "Value must be at least 1");
	BAD("i", "10", "Value must be no more than 9");
	BAD("i", "7", "seven is taken");
	BAD("s", "32768", "Not a number of type SHORT");
	BAD("l", "9223372036854775808", "Not a number of type LONG");
	BAD("l", "-1", "Value must be at least 0");
	BAD("d", "nan", "Not a number of type DOUBLE");
	BAD("d", "1e999", "Not a number of type DOUBLE");
	BAD("d", "", "Not a number of type DOUBLE");
	BAD("d", "1.5", "Value must be no more than 1");
	BAD("str", "three", "String must be one of: , one, two");
	expect_bad("list", "x,z",
	    "Invalid value z for configuration list: String must be one of: "
	    "x, y");
	expect_bad("list", "x,,y",
	    "Invalid value  for configuration list: String must be one of: "
	    "x, y");
	expect_bad("pw", " ",
	    "Invalid value [hidden] for configuration pw: "
	    "String must be non-empty");
	expect_bad("i", "1\n2",
	    "Invalid value 1\\x0a2 for configuration i: "
	    "Not a number of type INT");
}

Test(conf, good_values)
{
	expect_good("b", " TRUE ", "true");
	expect_good("b", "False", "false");
	expect_good("i", "+8\t", "8");
	expect_good("i", "009", "9");
	expect_good("s", "-32767", "-32767");
	expect_good("l", "9223372036854775807", "9223372036854775807");
	expect_good("d", "1e-3", "0.001");
	expect_good("d", ".80", "0.8");
	expect_good("d", "1", "1.0");
	expect_good("str", " one ", "one");
	expect_good("list", " x , y", "x,y");
	expect_good("list", "", "");
	expect_good("pw", " s p ", "s p");
}

Test(conf, doubles_as_java_prints_them)
{
	static const struct {
		double d;
		const char *text;
	} v[] = {
		{ 0, "0.0" },
		{ -0.0, "-0.0" },
		{ 1, "1.0" },
		{ 100, "100.0" },
		{ -2.5, "-2.5" },
		{ 0.1, "0.1" },
		{ 0.05, "0.05" },
		{ 0.001, "0.001" },
		{ 0.0001, "1.0E-4" },
		{ 0.00012, "1.2E-4" },
		{ 1234567, "1234567.0" },
		{ 9999999, "9999999.0" },
		{ 1e7, "1.0E7" },
		{ 2147483647, "2.147483647E9" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ DBL_MAX, "1.7976931348623157E308" },
	};
	char buf[40];

	for (size_t i = 0; i < KC_COUNT(v); i++) {
		kc_conf_print_double(v[i].d, buf, sizeof buf);
		cr_expect_str_eq(buf, v[i].text);
	}
}

static void
set(struct kc_conf *c, const char *name, enum kc_conf_source src,
    const char *text)
{
	char err[KC_CONF_ERR_MAX];

	cr_assert_eq(
	    kc_conf_set(c, item(name), src, text, err, sizeof err), KC_OK);
}

Test(conf, defaults)
{
	struct fields f;
	struct kc_conf c;

	memset(&f, 0xff, sizeof f);
	cr_assert_eq(kc_conf_init(&c, &table, &f), KC_OK);
	cr_expect(f.b);
	cr_expect_eq(f.i, 5);
	cr_expect_eq(f.s, INT16_MIN);
	cr_expect_eq(f.l, KC_CONF_NULL_LONG);
	cr_expect_str_eq(f.str, "");
	cr_expect_null(f.pw);
	cr_expect_eq(f.list.n, 1);
	cr_expect_null(f.none.v);
	cr_expect_null(kc_conf_print(&c, item("l")));
	cr_expect_null(kc_conf_print(&c, item("none")));
	cr_expect_eq(kc_conf_source(&c, item("i")), KC_CONF_SRC_DEFAULT);
	kc_conf_fini(&c);
	cr_expect_null(f.str);
}

/* Goal: in whatever order sources come, the strongest one holds. */
Test(conf, sources)
{
	struct fields f;
	struct kc_conf c;
	char err[KC_CONF_ERR_MAX];

	cr_assert_eq(kc_conf_init(&c, &table, &f), KC_OK);
	set(&c, "i", KC_CONF_SRC_STATIC, "1");
	cr_expect_eq(f.i, 1);
	set(&c, "i", KC_CONF_SRC_DYN_BROKER, "2");
	set(&c, "i", KC_CONF_SRC_DYN_DEFAULT, "3");
	cr_expect_eq(f.i, 2);
	set(&c, "i", KC_CONF_SRC_STATIC, "4");
	cr_expect_eq(f.i, 2);
	cr_expect_eq(kc_conf_set(&c, item("i"), KC_CONF_SRC_DYN_BROKER, "0",
			 err, sizeof err),
	    KC_EINVAL);
	cr_expect_eq(f.i, 2);
	cr_expect_str_eq(kc_conf_text(&c, item("i"), KC_CONF_SRC_STATIC), "4");
	cr_expect_str_eq(kc_conf_text(&c, item("i"), KC_CONF_SRC_DEFAULT), "5");
	cr_expect_null(kc_conf_text(&c, item("i"), KC_CONF_SRC_TOPIC));
	set(&c, "list", KC_CONF_SRC_STATIC, "y, x");
	cr_expect_eq(f.list.n, 2);
	cr_expect(kc_conf_list_has(&f.list, "x"));
	cr_expect_not(kc_conf_list_has(&f.list, "z"));
	set(&c, "pw", KC_CONF_SRC_STATIC, "secret");
	set(&c, "pw", KC_CONF_SRC_STATIC, "other");
	cr_expect_str_eq(f.pw, "other");
	kc_conf_fini(&c);
}

static void
expect_doc(enum kc_conf_doc_form form, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_expect_eq(kc_conf_doc(f, &table, form), KC_OK);
	fclose(f);
	cr_expect_not_null(strstr(text, want), "%s", text);
	cr_expect_null(strstr(text, "Not listed"));
	cr_expect_lt(strstr(text, "A bool"), strstr(text, "A double"));
	free(text);
}

Test(conf, doc)
{
	expect_doc(KC_CONF_DOC_TEXT,
	    "i\n\tint, default 5; 1 to 9; read-only\n\tAn int.\n");
	expect_doc(KC_CONF_DOC_TEXT,
	    "l\n\tlong, default none; 0 or more; read-only\n\tA long.\n\t"
	    "No effect here: of | this.\n");
	expect_doc(KC_CONF_DOC_MARKDOWN,
	    "| `l` | long | none | 0 or more | read-only | A long. "
	    "No effect here: of \\| this. |\n");
	expect_doc(KC_CONF_DOC_MDOC, "\n\\&.hidden \\- macro.\n");
	expect_doc(KC_CONF_DOC_MDOC,
	    ".It Cm str\n.Pq string, default empty; ,one,two; read\\-only\n");
}
