/* What the provider and the load generator share: the clock and case-blind header look-up. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A stamp in a chunk's text: STAMP and 16 hexadecimal digits, CLOCK_MONOTONIC in nanoseconds when it was sent. */
#define STAMP "~t"
#define STAMP_DIGITS 16

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* The value of header `name` (lower case, with its colon) in the head of `size` bytes, or NULL. */
static inline const char *header(const char *head, size_t size, const char *name) {
    size_t length = strlen(name);
    const char *end = head + size;
    for (const char *line = memchr(head, '\n', size); line && line + 1 + length < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        line++;
        if (!strncasecmp(line, name, length)) {
            const char *value = line + length;
            while (*value == ' ') value++;
            return value;
        }
    }
    return NULL;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline void *grown(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (!memory) die("realloc");
    return memory;
}

#endif
