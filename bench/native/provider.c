/* A provider that costs next to nothing: `provider [PORT]` prints its port and answers until it is ended.
 *
 * The path picks the dialect (OpenAI chat completions, Anthropic Messages, Gemini), and a marker in the prompt
 * the answer, so that it passes through any gateway:
 *   [[bench bytes=1000 wait_us=0]]                a JSON answer of about so many bytes, after so long
 *   [[bench chunks=50 gap_us=2000 burst=1]]       a stream: `burst` chunks in one write, every `gap_us`
 * Each chunk's text begins with the stamp of http.h. One thread, epoll, deadlines in a heap.
 */
#define _GNU_SOURCE
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum dialect { OPENAI, ANTHROPIC, GEMINI };

struct connection {
    int fd, dialect, is_streaming, wants_usage, awaits_writable;
    long chunks, sent, burst, bytes;
    uint64_t gap_ns, due_ns;
    size_t heap_at; /* 1-based; 0: not in the heap */
    char *in, *out;
    size_t in_size, in_room, out_at, out_size, out_room;
};

static int poller;
static struct connection **heap;
static size_t heap_size, heap_room;

/* -- deadlines -- */

static void place(struct connection *c, size_t at) {
    heap[at] = c;
    c->heap_at = at;
}

static void sift(size_t at) {
    struct connection *c = heap[at];
    for (; at > 1 && heap[at / 2]->due_ns > c->due_ns; at /= 2) place(heap[at / 2], at);
    for (size_t child; (child = at * 2) <= heap_size; at = child) {
        if (child < heap_size && heap[child + 1]->due_ns < heap[child]->due_ns) child++;
        if (heap[child]->due_ns >= c->due_ns) break;
        place(heap[child], at);
    }
    place(c, at);
}

static void schedule(struct connection *c) {
    if (heap_size + 2 > heap_room) heap = grown(heap, (heap_room = heap_room * 2 + 64) * sizeof *heap);
    heap[++heap_size] = c;
    sift(heap_size);
}

static void unschedule(struct connection *c) {
    size_t at = c->heap_at;
    if (!at) return;
    c->heap_at = 0;
    struct connection *last = heap[heap_size--];
    if (last == c) return;
    place(last, at);
    sift(at);
}

/* -- what is sent -- */

static void append(struct connection *c, const char *bytes, size_t size) {
    if (c->out_size + size > c->out_room) c->out = grown(c->out, c->out_room = (c->out_size + size) * 2);
    memcpy(c->out + c->out_size, bytes, size);
    c->out_size += size;
}

static void append_event(struct connection *c, const char *event, size_t size) {
    char frame[24];
    append(c, frame, (size_t)snprintf(frame, sizeof frame, "%zx\r\n", size));
    append(c, event, size);
    append(c, "\r\n", 2);
}

#define EVENT(...) append_event(c, event, (size_t)snprintf(event, sizeof event, __VA_ARGS__))
#define OPENAI_HEAD \
    "data: {\"id\":\"chatcmpl-bench0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1760000000," \
    "\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\","
#define GEMINI_TAIL "\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"bench\"}\r\n\r\n"

static void append_start(struct connection *c) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";
    char event[512];
    append(c, head, sizeof head - 1);
    if (c->dialect == OPENAI)
        EVENT(OPENAI_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\","
                          "\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    if (c->dialect == ANTHROPIC) {
        EVENT("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\","
              "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\",\"content\":[],"
              "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n");
        EVENT("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
              "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    }
}

static void append_chunk(struct connection *c) {
    char event[512];
    unsigned long long stamp = now_ns();
    if (c->dialect == OPENAI)
        EVENT(OPENAI_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" STAMP "%016llx \"},"
                          "\"logprobs\":null,\"finish_reason\":null}]}\n\n", stamp);
    if (c->dialect == ANTHROPIC)
        EVENT("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
              "\"delta\":{\"type\":\"text_delta\",\"text\":\"" STAMP "%016llx \"}}\n\n", stamp);
    if (c->dialect == GEMINI)
        EVENT("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" STAMP "%016llx \"}],\"role\":\"model\"},"
              "%s\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":20,\"candidatesTokenCount\":%ld,"
              "\"totalTokenCount\":%ld}," GEMINI_TAIL, stamp,
              c->sent + 1 == c->chunks ? "\"finishReason\":\"STOP\"," : "", c->sent + 1, c->sent + 21);
}

static void append_end(struct connection *c) {
    char event[512];
    if (c->dialect == OPENAI) {
        EVENT(OPENAI_HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
        if (c->wants_usage)
            EVENT(OPENAI_HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":%ld,"
                              "\"total_tokens\":%ld}}\n\n", c->chunks, c->chunks + 20);
        EVENT("data: [DONE]\n\n");
    }
    if (c->dialect == ANTHROPIC) {
        EVENT("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
        EVENT("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
              "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%ld}}\n\n", c->chunks);
        EVENT("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
    append(c, "0\r\n\r\n", 5);
}

static void append_json(struct connection *c, long bytes) {
    static const char *const before[] = {
        "{\"id\":\"chatcmpl-bench0123456789\",\"object\":\"chat.completion\",\"created\":1760000000,"
        "\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
        "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\","
        "\"content\":[{\"type\":\"text\",\"text\":\"",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"",
    };
    static const char *const after[] = {
        "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":"
        "{\"prompt_tokens\":20,\"completion_tokens\":100,\"total_tokens\":120},\"service_tier\":\"default\","
        "\"system_fingerprint\":\"fp_bench\"}",
        "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":20,\"output_tokens\":100}}",
        "\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":20,"
        "\"candidatesTokenCount\":100,\"totalTokenCount\":120},\"modelVersion\":\"gemini-2.5-flash\"}",
    };
    static const char words[] = "The quick brown fox jumps over the lazy dog. ";
    size_t frame = strlen(before[c->dialect]) + strlen(after[c->dialect]);
    size_t text = bytes > (long)frame ? (size_t)bytes - frame : 0;
    char head[160];
    append(c, head, (size_t)snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", frame + text));
    append(c, before[c->dialect], strlen(before[c->dialect]));
    for (size_t left = text; left;) {
        size_t part = left < sizeof words - 1 ? left : sizeof words - 1;
        append(c, words, part);
        left -= part;
    }
    append(c, after[c->dialect], strlen(after[c->dialect]));
}

/* -- connections -- */

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event)) die("epoll_ctl");
}

static void end(struct connection *c) {
    unschedule(c);
    close(c->fd);
    free(c->in);
    free(c->out);
    c->fd = -1; /* freed after the events of this turn, which may still name it */
}

/* Writes what there is; what the peer does not take waits for it. Returns 0 when the connection has ended. */
static int flush(struct connection *c) {
    while (c->out_at < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (!c->awaits_writable) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->awaits_writable = 1;
            return 1;
        }
        if (n < 0) {
            end(c);
            return 0;
        }
        c->out_at += (size_t)n;
    }
    c->out_at = c->out_size = 0;
    if (c->awaits_writable) watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->awaits_writable = 0;
    return 1;
}

/* The chunks that are due. With nothing taken by the peer since last time, none is added. */
static void continue_stream(struct connection *c) {
    if (!c->chunks) { /* a JSON answer that had to wait */
        append_json(c, c->bytes);
        c->is_streaming = 0;
        flush(c);
        return;
    }
    if (c->out_at == c->out_size) {
        if (!c->sent) append_start(c);
        for (long i = 0; i < c->burst && c->sent < c->chunks; i++, c->sent++) append_chunk(c);
    }
    if (c->sent == c->chunks) {
        append_end(c);
        c->is_streaming = 0;
    } else {
        uint64_t now = now_ns();
        c->due_ns += c->gap_ns;
        if (c->due_ns < now) c->due_ns = now; /* late: no catching up in a burst */
        schedule(c);
    }
    flush(c);
}

static long parameter(const char *marker, const char *name, long otherwise) {
    const char *end = strstr(marker, "]]"), *at = strstr(marker, name);
    return at && end && at < end ? atol(at + strlen(name)) : otherwise;
}

static void answer(struct connection *c, char *head, char *body, size_t size) {
    char *line_end = strpbrk(head, "\r");
    char after = *line_end;
    *line_end = 0;
    c->dialect = strstr(head, "enerateContent") ? GEMINI : strstr(head, "/messages") ? ANTHROPIC : OPENAI;
    *line_end = after;
    const char *marker = memmem(body, size, "[[bench ", 8);
    if (!marker) marker = "[[bench ]]";
    c->chunks = parameter(marker, " chunks=", 0);
    c->bytes = parameter(marker, " bytes=", 1000);
    uint64_t wait_ns = (uint64_t)parameter(marker, " wait_us=", 0) * 1000;
    if (!c->chunks && wait_ns) {
        c->is_streaming = 1;
        c->due_ns = now_ns() + wait_ns;
        schedule(c);
        return;
    }
    if (!c->chunks) {
        append_json(c, c->bytes);
        flush(c);
        return;
    }
    c->burst = parameter(marker, " burst=", 1);
    c->gap_ns = (uint64_t)parameter(marker, " gap_us=", 2000) * 1000;
    c->wants_usage = memmem(body, size, "\"include_usage\"", 15) != NULL;
    c->sent = 0;
    c->is_streaming = 1;
    c->due_ns = now_ns();
    continue_stream(c);
}

/* Takes every whole request out of what was read. */
static void take_requests(struct connection *c) {
    while (c->fd >= 0 && !c->is_streaming && c->in_size) {
        char *body = memmem(c->in, c->in_size, "\r\n\r\n", 4);
        if (!body) return;
        body += 4;
        size_t head_size = (size_t)(body - c->in);
        const char *length = header(c->in, head_size, "content-length:");
        size_t size = length ? strtoul(length, NULL, 10) : 0;
        if (header(c->in, head_size, "transfer-encoding:")) { /* nobody in this rig sends a chunked body */
            end(c);
            return;
        }
        if (c->in_size - head_size < size) {
            if (c->in_room < head_size + size + 1) c->in = grown(c->in, c->in_room = head_size + size + 1);
            return;
        }
        char after = body[size];
        body[size] = 0;
        answer(c, c->in, body, size);
        if (c->fd < 0) return;
        body[size] = after;
        c->in_size -= head_size + size;
        memmove(c->in, body + size, c->in_size);
    }
}

static void read_from(struct connection *c) {
    if (c->in_size + 4096 + 1 > c->in_room) c->in = grown(c->in, c->in_room = c->in_size * 2 + 8192);
    ssize_t n = recv(c->fd, c->in + c->in_size, c->in_room - c->in_size - 1, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        end(c);
        return;
    }
    c->in_size += (size_t)n;
    take_requests(c);
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments) {
    static struct epoll_event events[512];
    static struct connection *ended[512];
    int listener = listen_on((uint16_t)(count > 1 ? atoi(arguments[1]) : 0));
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening)) die("epoll_ctl");
    for (;;) {
        struct timespec wait, *timeout = NULL;
        if (heap_size) {
            uint64_t now = now_ns(), due = heap[1]->due_ns, left = due > now ? due - now : 0;
            wait = (struct timespec){(time_t)(left / 1000000000), (long)(left % 1000000000)};
            timeout = &wait;
        }
        long n = syscall(SYS_epoll_pwait2, poller, events, 512, timeout, NULL, 0);
        if (n < 0 && errno != EINTR) die("epoll_pwait2");
        size_t gone = 0;
        for (long i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) {
                accept_all(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) flush(c);
            if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(c);
            if (c->fd < 0) ended[gone++] = c;
        }
        while (gone) free(ended[--gone]);
        for (uint64_t now = now_ns(); heap_size && heap[1]->due_ns <= now;) {
            struct connection *c = heap[1];
            unschedule(c);
            continue_stream(c);
            if (c->fd >= 0 && !c->is_streaming) take_requests(c);
            if (c->fd < 0) free(c);
        }
    }
}
