/*
 * For a pass that looks at some lines of the schemas only: what it has not
 * defined means nothing.  No guard: included once a pass, before all.def.
 */
#ifndef STRUCT
#define STRUCT(name)
#endif
#ifndef REQUEST
#define REQUEST(name, key, text, ...)
#endif
#ifndef RESPONSE
#define RESPONSE(name)
#endif
#define END(name)
#define BOOL(f, ...)
#define INT8(f, ...)
#define INT16(f, ...)
#define INT32(f, ...)
#define INT64(f, ...)
#define FLOAT64(f, ...)
#define UUID(f, ...)
#define STRING(f, ...)
#define BYTES(f, ...)
#define RECORDS(f, ...)
#define INT32S(f, ...)
#define INT64S(f, ...)
#define STRINGS(f, ...)
#define ARRAY(f, type, ...)
#define EMBED(f, type, ...)
#define OPTION(f, type, ...)
