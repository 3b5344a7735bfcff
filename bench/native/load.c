/* The load generator: `load PORT REQUEST_FILE CONNECTIONS SECONDS REQUESTS_EACH RAMP_MS CHUNKS PAUSE_MS` prints what it
 * saw as JSON.
 *
 * Each connection is kept and sends the bytes of REQUEST_FILE, reads the whole answer, and again, until SECONDS have
 * passed (or REQUESTS_EACH are done, when that is not 0); what has begun by then is finished. Connections open evenly
 * over RAMP_MS. An answer counts when its status is 200 and CHUNKS stamps (see http.h) were in it; a chunk's delay is
 * the time at which it was read less its stamp, which is of the same clock. With PAUSE_MS a 503 or 429 is no fault: it is
 * timed on its own, and its connection asks again after so long, give or take half of it. One thread, epoll.
 */
#define _GNU_SOURCE
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_NS 30000000000ull /* for what is under way at the end */
#define HEAD_ROOM 16384

enum state { UNOPENED, SENDING, HEAD, SIZED_BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, PAUSED, CLOSED };

struct connection {
    int fd, status, stamp_matched, must_close, is_refused;
    enum state state;
    size_t sent, head_size, left, line_size;
    long requests, stamps;
    uint64_t began_ns, first_ns, resumes_ns, stamp;
    char head[HEAD_ROOM];
};

struct samples {
    float *ms;
    size_t count, room;
};

static struct samples latency, first_token, chunk_delay, refusal;
static int poller;
static uint16_t port;
static char *request;
static size_t request_size;
static long requests_each, expected_chunks, errors, finished, refused, chunks, active;
static uint64_t deadline_ns, pause_ns;
static char first_error[400];

static void record(struct samples *s, uint64_t ns) {
    if (s->count == s->room) s->ms = grown(s->ms, (s->room = s->room * 2 + 4096) * sizeof *s->ms);
    s->ms[s->count++] = (float)((double)ns / 1e6);
}

static void failed(const char *what, const char *detail, size_t size) {
    if (!errors++) {
        int n = snprintf(first_error, sizeof first_error, "%s %.*s", what, (int)(size < 300 ? size : 300), detail);
        for (int i = 0; i < n && first_error[i]; i++)
            if (first_error[i] < ' ' || first_error[i] == '"' || first_error[i] == '\\' || first_error[i] & 0x80) first_error[i] = ' ';
    }
}

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event)) die("epoll_ctl");
}

static void leave(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
    active--;
}

static int is_over(struct connection *c) {
    return now_ns() >= deadline_ns || (requests_each && c->requests >= requests_each) || errors > 1000;
}

static void send_request(struct connection *c) {
    while (c->sent < request_size) {
        ssize_t n = send(c->fd, request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            failed("send:", strerror(errno), 100);
            leave(c);
            return;
        }
        c->sent += (size_t)n;
    }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->state = HEAD;
}

static void begin(struct connection *c) {
    c->state = SENDING;
    c->sent = c->head_size = 0;
    c->stamps = c->stamp_matched = 0;
    c->is_refused = 0;
    c->first_ns = 0;
    c->began_ns = now_ns();
    send_request(c);
}

static void open_connection(struct connection *c) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    begin(c);
}

static void again(struct connection *c) {
    if (c->fd < 0)
        open_connection(c);
    else
        begin(c);
}

static void finish(struct connection *c) {
    uint64_t now = now_ns();
    c->requests++;
    if (c->is_refused) {
        refused++;
        record(&refusal, now - c->began_ns);
    } else if (c->stamps != expected_chunks) {
        char count[60];
        failed("chunks in an answer:", count, (size_t)snprintf(count, sizeof count, "%ld", c->stamps));
    } else {
        finished++;
        chunks += c->stamps;
        record(&latency, now - c->began_ns);
        if (c->first_ns) record(&first_token, c->first_ns - c->began_ns);
    }
    if (is_over(c)) {
        leave(c);
        return;
    }
    if (c->must_close) {
        close(c->fd);
        c->fd = -1;
    }
    if (c->is_refused) {
        c->state = PAUSED;
        /* as clients wait: each its own time, or all would come at once again and again */
        c->resumes_ns = now + pause_ns / 2 + (uint64_t)(drand48() * (double)pause_ns);
    } else {
        again(c);
    }
}

/* Finds stamps in decoded bytes, wherever reads and chunks cut them. */
static void scan(struct connection *c, const char *bytes, size_t size, uint64_t read_ns) {
    if (!expected_chunks) return;
    for (size_t i = 0; i < size; i++) {
        char b = bytes[i];
        if (c->stamp_matched < 2) {
            c->stamp_matched = b == STAMP[c->stamp_matched] ? c->stamp_matched + 1 : b == STAMP[0];
            c->stamp = 0;
            continue;
        }
        c->stamp = c->stamp * 16 + (uint64_t)(b <= '9' ? b - '0' : b - 'a' + 10);
        if (++c->stamp_matched == 2 + STAMP_DIGITS) {
            c->stamp_matched = 0;
            c->stamps++;
            if (!c->first_ns) c->first_ns = read_ns;
            record(&chunk_delay, read_ns > c->stamp ? read_ns - c->stamp : 0);
        }
    }
}

/* The head is whole: 1 when its body follows, 0 when the connection was left. */
static int take_head(struct connection *c) {
    const char *value;
    c->status = c->head_size > 12 ? atoi(c->head + 9) : 0;
    c->is_refused = pause_ns && (c->status == 503 || c->status == 429);
    if (c->status != 200 && !c->is_refused) {
        failed("answer:", c->head, c->head_size);
        leave(c);
        return 0;
    }
    value = header(c->head, c->head_size, "connection:");
    c->must_close = value && !strncasecmp(value, "close", 5);
    if ((value = header(c->head, c->head_size, "content-length:"))) {
        c->left = strtoul(value, NULL, 10);
        c->state = SIZED_BODY;
    } else if (header(c->head, c->head_size, "transfer-encoding:")) {
        c->state = CHUNK_SIZE;
        c->left = c->line_size = 0;
    } else {
        failed("answer without a length:", c->head, c->head_size);
        leave(c);
        return 0;
    }
    return 1;
}

static void take(struct connection *c, const char *bytes, size_t size, uint64_t read_ns) {
    for (size_t at = 0; at < size;) {
        size_t part;
        switch (c->state) {
        case HEAD:
            if (c->head_size == HEAD_ROOM) {
                failed("head too large", "", 0);
                leave(c);
                return;
            }
            c->head[c->head_size++] = bytes[at++];
            if (c->head_size < 4 || memcmp(c->head + c->head_size - 4, "\r\n\r\n", 4)) break;
            if (!take_head(c)) return;
            break;
        case SIZED_BODY:
        case CHUNK_DATA:
            part = size - at < c->left ? size - at : c->left;
            scan(c, bytes + at, part, read_ns);
            at += part;
            if (!(c->left -= part)) {
                if (c->state == SIZED_BODY) {
                    finish(c);
                    return;
                }
                c->state = CHUNK_END;
                c->left = 2;
            }
            break;
        case CHUNK_END:
            at++;
            if (!--c->left) c->state = CHUNK_SIZE;
            break;
        case CHUNK_SIZE:
            if (bytes[at] == '\n') {
                c->state = c->left ? CHUNK_DATA : TRAILER;
                c->line_size = 0;
            } else if (bytes[at] != '\r') {
                char b = (char)(bytes[at] | 0x20);
                c->left = c->left * 16 + (size_t)(b <= '9' ? b - '0' : b - 'a' + 10);
            }
            at++;
            break;
        case TRAILER:
            if (bytes[at] == '\n' && !c->line_size) {
                finish(c);
                return;
            }
            c->line_size = bytes[at] == '\n' ? 0 : c->line_size + (bytes[at] != '\r');
            at++;
            break;
        default:
            failed("bytes nobody asked for", bytes + at, size - at);
            leave(c);
            return;
        }
    }
}

static void read_from(struct connection *c) {
    static char bytes[1 << 18];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        failed("the connection was closed in mid-answer", "", 0);
        leave(c);
        return;
    }
    take(c, bytes, (size_t)n, now_ns());
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_percentiles(const char *name, struct samples *s) {
    static const struct {
        const char *name;
        double share;
    } wanted[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}};
    qsort(s->ms, s->count, sizeof *s->ms, ascending);
    printf(", \"%s\": ", name);
    if (!s->count) {
        printf("null");
        return;
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t rank = (size_t)(wanted[i].share * (double)s->count);
        printf("%s\"%s\": %.4f", i ? ", " : "{", wanted[i].name, s->ms[rank < s->count ? rank : s->count - 1]);
    }
    printf("}");
}

static void read_request(const char *path) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) die(path);
    request = grown(NULL, request_size = (size_t)status.st_size);
    for (size_t at = 0; at < request_size;) {
        ssize_t n = read(fd, request + at, request_size - at);
        if (n <= 0) die(path);
        at += (size_t)n;
    }
    close(fd);
}

int main(int count, char **arguments) {
    static struct epoll_event events[512];
    if (count != 9) {
        fprintf(stderr, "usage: load PORT REQUEST_FILE CONNECTIONS SECONDS REQUESTS_EACH RAMP_MS CHUNKS PAUSE_MS\n");
        return 2;
    }
    port = (uint16_t)atoi(arguments[1]);
    read_request(arguments[2]);
    long connections = atol(arguments[3]), opened = 0;
    requests_each = atol(arguments[5]);
    uint64_t ramp_ns = (uint64_t)atol(arguments[6]) * 1000000;
    expected_chunks = atol(arguments[7]);
    pause_ns = (uint64_t)atol(arguments[8]) * 1000000;
    struct connection *all = calloc((size_t)connections, sizeof *all);
    poller = epoll_create1(EPOLL_CLOEXEC);
    uint64_t began_ns = now_ns();
    deadline_ns = began_ns + (uint64_t)(atof(arguments[4]) * 1e9);
    for (active = connections; active > 0;) {
        uint64_t now = now_ns();
        for (; opened < connections; opened++) {
            uint64_t opens_ns = began_ns + ramp_ns * (uint64_t)opened / (uint64_t)connections;
            if (now < opens_ns) break;
            open_connection(&all[opened]);
        }
        if (now > deadline_ns + PATIENCE_NS) {
            for (long i = 0; i < active; i++) failed("no answer in time", "", 0);
            break;
        }
        for (long i = 0; pause_ns && i < opened; i++) {
            if (all[i].state != PAUSED || all[i].resumes_ns > now) continue;
            if (is_over(&all[i]))
                leave(&all[i]);
            else
                again(&all[i]);
        }
        int n = epoll_wait(poller, events, 512, opened < connections || pause_ns ? 1 : 1000);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->state == SENDING && events[i].events & EPOLLOUT) send_request(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(c);
        }
    }
    printf("{\"finished\": %ld, \"chunks\": %ld, \"refused\": %ld, \"errors\": %ld, \"first_error\": \"%s\", \"seconds\": %.3f",
           finished, chunks, refused, errors, first_error, (double)(now_ns() - began_ns) / 1e9);
    print_percentiles("latency_ms", &latency);
    print_percentiles("first_token_ms", &first_token);
    print_percentiles("chunk_delay_ms", &chunk_delay);
    print_percentiles("refusal_ms", &refusal);
    printf("}\n");
    return 0;
}
