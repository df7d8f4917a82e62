/* frames - a client's bytes mean what RFC 6455 says, however they are cut.
 * Input: a byte that chooses how much of a message is kept, a byte that chooses the cuts, then the
 * stream, in which fe N B stands for 64 * N bytes B. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/frame.h"
#include "tests/fuzz/by_the_book.h"

enum { STREAM_MAX = 1 << 18, NOTES_MAX = 256 };

/* What came out of a stream: messages, and at most one failure, which is the last. */
struct note {
	bool is_failure;
	unsigned opcode, code;
	uint32_t len, kept;
	uint64_t hash; /* of what is kept */
};

struct notes {
	struct note all[NOTES_MAX];
	size_t n;
};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static uint64_t
hash_of(const uint8_t *bytes, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

static bool
are_same(const struct notes *a, const struct notes *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const struct note *x = &a->all[i], *y = &b->all[i];

		if (x->is_failure != y->is_failure || x->opcode != y->opcode ||
		    x->code != y->code || x->len != y->len || x->kept != y->kept ||
		    x->hash != y->hash)
			return false;
	}
	return a->n == b->n;
}

static void
add(struct notes *notes, const struct note *note)
{
	if (notes->n < NOTES_MAX)
		notes->all[notes->n++] = *note;
}

static void
add_failure(struct notes *notes, unsigned code)
{
	add(notes, &(struct note){.is_failure = true, .code = code});
}

/* --- by the book: the whole stream at hand, one frame after the other --- */

struct book {
	uint8_t message[FRAME_MESSAGE_MAX];
	size_t len;
	unsigned opcode; /* of the message, 0: none is begun */
	uint32_t keep;
	struct notes *notes;
};

struct book_frame {
	bool is_final;
	unsigned opcode;
	uint64_t len;
	uint8_t payload[FRAME_MESSAGE_MAX];
	size_t n_here; /* bytes of it that are in the stream */
};

/* Sections 5.2, 5.4, 5.5: what no client may begin a frame with. */
static bool
is_forbidden(const struct book *b, uint8_t first, uint8_t second)
{
	unsigned opcode = first & 15;
	bool is_final = first & 128, is_control = opcode >= 8;

	if ((first & 0x70) != 0 || (second & 128) == 0)
		return true;
	if ((opcode > 2 && opcode < 8) || opcode > 10)
		return true;
	if (is_control)
		return !is_final || (second & 127) > 125;
	return (opcode == 0) != (b->opcode != 0);
}

/* Reads a frame off the front; how many bytes, or 0 where there are no more, or it failed. */
static size_t
book_frame(struct book *b, struct book_frame *f, const uint8_t *in, size_t n)
{
	size_t extra, head;

	if (n < 2)
		return 0;
	if (is_forbidden(b, in[0], in[1])) {
		add_failure(b->notes, 1002);
		return 0;
	}
	f->is_final = in[0] & 128;
	f->opcode = in[0] & 15;
	f->len = in[1] & 127;
	extra = f->len == 126 ? 2 : f->len == 127 ? 8 : 0;
	head = 2 + extra;
	if (n < head)
		return 0;
	if (extra > 0) {
		f->len = 0;
		for (size_t i = 0; i < extra; i++)
			f->len = f->len << 8 | in[2 + i];
		if (f->len < (extra == 2 ? 126 : 65536) || f->len > INT64_MAX) {
			add_failure(b->notes, 1002);
			return 0;
		}
	}
	if (f->opcode < 8 && b->len + f->len > FRAME_MESSAGE_MAX) {
		add_failure(b->notes, 1009);
		return 0;
	}
	if (n < head + 4)
		return 0;
	f->n_here = n - head - 4 < f->len ? n - head - 4 : f->len;
	for (size_t i = 0; i < f->n_here; i++)
		f->payload[i] = in[head + 4 + i] ^ in[head + i % 4];
	return head + 4 + f->n_here;
}

static bool
book_close(struct book *b, const struct book_frame *f)
{
	unsigned code = f->len < 2 ? 1005 : (unsigned)f->payload[0] << 8 | f->payload[1];
	bool is_valid =
	    (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	    (code >= 3000 && code <= 4999);

	if (f->len == 1 || (f->len > 1 && !is_valid)) {
		add_failure(b->notes, 1002);
		return false;
	}
	if (f->len > 2 && !by_the_book_utf8(f->payload + 2, f->len - 2, false)) {
		add_failure(b->notes, 1007);
		return false;
	}
	add(b->notes, &(struct note){.opcode = 8,
			  .code = code,
			  .len = (uint32_t)f->len,
			  .kept = (uint32_t)f->len,
			  .hash = hash_of(f->payload, f->len)});
	return true;
}

static bool
book_control(struct book *b, const struct book_frame *f)
{
	if (f->n_here < f->len)
		return false;
	if (f->opcode == 8)
		return book_close(b, f);
	add(b->notes, &(struct note){.opcode = f->opcode,
			  .len = (uint32_t)f->len,
			  .kept = (uint32_t)f->len,
			  .hash = hash_of(f->payload, f->len)});
	return true;
}

static bool
book_data(struct book *b, const struct book_frame *f)
{
	bool is_over = f->is_final && f->n_here == f->len;
	uint32_t kept;

	if (f->opcode != 0)
		b->opcode = f->opcode;
	memcpy(b->message + b->len, f->payload, f->n_here);
	b->len += f->n_here;
	if (b->opcode == 1 && !by_the_book_utf8(b->message, b->len, !is_over)) {
		add_failure(b->notes, 1007);
		return false;
	}
	if (is_over) {
		kept = b->len < b->keep ? (uint32_t)b->len : b->keep;
		add(b->notes, &(struct note){.opcode = b->opcode,
				  .len = (uint32_t)b->len,
				  .kept = kept,
				  .hash = hash_of(b->message, kept)});
		b->opcode = 0;
		b->len = 0;
	}
	return f->n_here == f->len;
}

static void
read_by_the_book(const uint8_t *in, size_t n, uint32_t keep, struct notes *notes)
{
	static struct book b;
	static struct book_frame f;
	size_t used;
	bool goes_on = true;

	b.len = 0;
	b.opcode = 0;
	b.keep = keep;
	b.notes = notes;
	while (goes_on && (used = book_frame(&b, &f, in, n)) > 0) {
		goes_on = f.opcode >= 8 ? book_control(&b, &f) : book_data(&b, &f);
		in += used;
		n -= used;
	}
}

/* --- by the reader, piece by piece --- */

static void
check_message(const struct frame_message *m, uint32_t keep)
{
	assert(m->kept <= m->len);
	if (m->opcode >= 8)
		assert(m->kept == m->len && m->len <= FRAME_CONTROL_MAX);
	else
		assert(m->len <= FRAME_MESSAGE_MAX && m->kept == (m->len < keep ? m->len : keep));
}

/* Feeds a piece; false when the reader is of no further use. */
static bool
feed(struct frame_reader *r, const uint8_t *in, size_t n, uint32_t keep, struct notes *notes)
{
	uint8_t *piece = malloc(n), *at = piece; /* of that size: what is touched behind is found */
	enum frame_event event;

	if (n > 0)
		memcpy(piece, in, n);
	do {
		struct frame_message m;
		size_t used;

		event = frame_read(r, at, n, &used, &m);
		assert(used <= n && r->message_room <= keep + 255);
		at += used;
		n -= used;
		if (event == FRAME_NEED_MORE)
			assert(n == 0);
		if (event == FRAME_FAILED)
			add_failure(notes, m.code);
		if (event == FRAME_GOT) {
			check_message(&m, keep);
			add(notes, &(struct note){.opcode = m.opcode,
				       .code = m.code,
				       .len = m.len,
				       .kept = m.kept,
				       .hash = hash_of(m.payload, m.kept)});
		}
	} while (event == FRAME_GOT);
	free(piece);
	return event != FRAME_FAILED;
}

/* cuts: 0 not at all, 1 behind every byte, else at random from that seed; a long stream is cut more
 * coarsely, for the sake of time. */
static void
read_in_pieces(const uint8_t *in, size_t n, uint32_t keep, unsigned cuts, struct notes *notes)
{
	struct frame_reader r;
	unsigned random = cuts;
	size_t times = 1 + n / 1024;
	bool goes_on = true;

	frame_reader_init(&r, keep);
	while (goes_on && n > 0) {
		size_t piece = cuts == 0 ? n : times;

		random = random * 1103515245u + 12345;
		if (cuts > 1)
			piece = (random >> 16) % ((random >> 8 & 3) == 0 ? 3000 : 7 * times);
		if (piece > n)
			piece = n;
		goes_on = feed(&r, in, piece, keep, notes);
		in += piece;
		n -= piece;
	}
	frame_reader_fini(&r);
}

static size_t
expand(const uint8_t *in, size_t n, uint8_t *stream)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t times = 1;

		if (in[i] == 0xfe && i + 2 < n) {
			times = in[i + 1] * (size_t)64;
			i += 2;
		}
		if (len + times > STREAM_MAX)
			break;
		memset(stream + len, in[i], times);
		len += times;
	}
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static const uint32_t keeps[] = {0, 1, 125, 256, 8192, FRAME_MESSAGE_MAX};
	static uint8_t stream[STREAM_MAX];
	static struct notes book, whole, cut;
	uint32_t keep;
	size_t n;

	if (size < 2)
		return 0;
	keep = keeps[input[0] % (sizeof keeps / sizeof *keeps)];
	n = expand(input + 2, size - 2, stream);
	book.n = whole.n = cut.n = 0;
	read_by_the_book(stream, n, keep, &book);
	read_in_pieces(stream, n, keep, 0, &whole);
	read_in_pieces(stream, n, keep, input[1] + 1u, &cut);
	assert(are_same(&whole, &book));
	assert(are_same(&cut, &book));
	return 0;
}
